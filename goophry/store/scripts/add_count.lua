-- Add one counter to another, and remove it.
-- KEYS[1] counter to be removed   KEYS[2] counter that grows   ARGV[1] seconds that it lives if it is new
-- Returns what it counts now.
local count = redis.call('GET', KEYS[1]) or '0'
local is_new = redis.call('EXISTS', KEYS[2]) == 0
local sum = redis.call('INCRBY', KEYS[2], count)
if is_new then
  redis.call('EXPIRE', KEYS[2], ARGV[1])
end
redis.call('DEL', KEYS[1])
return sum
