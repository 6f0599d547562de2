-- Count the end of a task, once.
-- KEYS[1] counter   KEYS[2] mark of the task   ARGV[1] seconds that the counter lives, from its first count on
-- ARGV[2] seconds that the mark lives
-- Returns the count, or nil if the task stands in it already.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return nil
end
if redis.call('TYPE', KEYS[1]).ok ~= 'string' or not tonumber(redis.call('GET', KEYS[1])) then
  redis.call('DEL', KEYS[1])
end
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
return count
