-- Append entries that came from another server to a queue, once only.
-- KEYS[1] queue   KEYS[2] mark that says that they have come   KEYS[3] hash of the Ids of tasks that are there
-- ARGV[1] seconds that the mark lives   the rest: pairs of an entry and its Id or nothing
-- Returns whether they came now. Raises before anything is changed when the queue is no list.
redis.call('LLEN', KEYS[1])
if not redis.call('SET', KEYS[2], #ARGV, 'EX', ARGV[1], 'NX') then
  return 0
end
local kind = redis.call('TYPE', KEYS[3]).ok
if kind ~= 'none' and kind ~= 'hash' then
  redis.call('DEL', KEYS[3])
end
local time = redis.call('TIME')
for i = 2, #ARGV, 2 do
  redis.call('RPUSH', KEYS[1], ARGV[i])
  if ARGV[i + 1] ~= '' then
    redis.call('HSETNX', KEYS[3], ARGV[i + 1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  end
end
return 1
