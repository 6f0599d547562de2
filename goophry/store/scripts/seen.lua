-- Note that an instance lives, for those who look for instances.
-- KEYS[1] sorted set: instances by their last beat, Unix s   ARGV[1] the instance   ARGV[2] seconds after which a silent one is left out
-- The removal is a write that Redis allows at its maxmemory too; it allows the other one of the script then.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'zset' then
  redis.call('DEL', KEYS[1])
end
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
