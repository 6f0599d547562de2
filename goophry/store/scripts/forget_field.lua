-- Remove a field of a hash, if it still holds what is known of it.
-- KEYS[1] hash   ARGV[1] field   ARGV[2] what it is to hold
-- Returns 1 if it did, else 0 and nothing is changed.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
