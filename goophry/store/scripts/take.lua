-- Take several entries from the head of the queue into a running list.
-- KEYS[1] queue   KEYS[2] running list
-- ARGV[1] how many at most
-- Returns the entries in order.
-- Raises before anything is taken when the running list is none.
redis.call('LLEN', KEYS[2])
local entries = redis.call('LPOP', KEYS[1], ARGV[1])
if not entries then
  return {}
end
redis.call('RPUSH', KEYS[2], unpack(entries))
return entries
