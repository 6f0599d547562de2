-- Append entries that came from another server to a queue, once only.
-- KEYS[1] queue   KEYS[2] mark that says that they have come
-- ARGV[1] seconds that the mark lives   the rest: the entries
-- Returns whether they came now. Raises before anything is changed when the queue is no list.
redis.call('LLEN', KEYS[1])
if not redis.call('SET', KEYS[2], #ARGV - 1, 'EX', ARGV[1], 'NX') then
  return 0
end
for i = 2, #ARGV do
  redis.call('RPUSH', KEYS[1], ARGV[i])
end
return 1
