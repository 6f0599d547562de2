-- Put everything that one list holds back into another, where it came from: the oldest is the next again.
-- KEYS[1] list of what was taken, the newest at the left   KEYS[2] list it was taken from, at its right   ARGV none
-- Returns how many entries there were.
local count = 0
while redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT') do
  count = count + 1
end
return count
