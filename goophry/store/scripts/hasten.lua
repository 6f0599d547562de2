-- Put entries that are due later into the queue now.
-- KEYS[1] sorted set   KEYS[2] queue   ARGV the entries, in the order in which they are to run
-- Returns how many were there. Raises before anything is moved when a key holds something else.
redis.call('LLEN', KEYS[2])
local moved = 0
for _, entry in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], entry) == 1 then
    redis.call('RPUSH', KEYS[2], entry)
    moved = moved + 1
  end
end
return moved
