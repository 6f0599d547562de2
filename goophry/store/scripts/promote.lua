-- Put what is due into the queue.
-- KEYS[1] sorted set   KEYS[2] queue   ARGV[1] how many at most
-- Returns {how many, ms until the next one is due or -1 if there is none, 1 if the key held something else and was
-- emptied}. By Redis's clock, so that one clock counts for all. Raises before anything is moved when the queue is no
-- list, or at Redis's maxmemory.
redis.call('LLEN', KEYS[2])
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'zset' then
  redis.call('DEL', KEYS[1])
  return {0, -1, 1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, entry in ipairs(due) do
  redis.call('RPUSH', KEYS[2], entry)
  redis.call('ZREM', KEYS[1], entry)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not next[1] then
  return {#due, -1, 0}
end
return {#due, math.max(0, math.ceil(tonumber(next[2]) - now)), 0}
