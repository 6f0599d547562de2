-- Renew a heartbeat.
-- KEYS[1] heartbeat   ARGV[1] what the instance says of itself   ARGV[2] seconds until it expires
-- The first write is one that Redis allows at its maxmemory too; it allows the others of the script then.
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
