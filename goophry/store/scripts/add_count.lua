-- Add to a counter what another one on another server has counted, as far as that was not done before.
-- KEYS[1] counter that grows   KEYS[2] how much of the other was added before
-- ARGV[1] what the other counts   ARGV[2] seconds that the counter lives if it is new   ARGV[3] seconds that KEYS[2] lives
-- Returns what it counts now.
local is_new = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.call('INCRBY', KEYS[1], string.format('%.0f', ARGV[1] - (redis.call('GET', KEYS[2]) or 0)))
if is_new then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
return sum
