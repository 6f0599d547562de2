-- Put what a dead instance held back to the head of the queue, in the old order.
-- KEYS[1] running list of the dead   KEYS[2] queue   KEYS[3] instances set
-- KEYS[4] running list of the caller   KEYS[5] taken mark of the dead
-- ARGV[1] the dead instance   ARGV[2] the mark put before an entry for each recovery
-- ARGV[3] how many marks an entry may carry   ARGV[4] seconds that the taken mark lives
-- Returns {how many went back, entries that carry too many marks …}; the latter are now held by
-- the caller, who fails them. Raises before anything is moved when a list of the living is none.
redis.call('LLEN', KEYS[2])
redis.call('LLEN', KEYS[4])
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
end
local entries = redis.call('LRANGE', KEYS[1], 0, -1)
local mark, limit = ARGV[2], tonumber(ARGV[3])
local result = {0}
local lost = {}
for i = #entries, 1, -1 do
  local entry, marks = entries[i], 0
  while string.sub(entry, marks * #mark + 1, (marks + 1) * #mark) == mark do
    marks = marks + 1
  end
  if marks >= limit then
    table.insert(lost, 1, entry)
  else
    redis.call('LPUSH', KEYS[2], mark .. entry)
    result[1] = result[1] + 1
  end
end
for _, entry in ipairs(lost) do
  redis.call('RPUSH', KEYS[4], entry)
  table.insert(result, entry)
end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[1])
if #entries > 0 then
  redis.call('SET', KEYS[5], #entries, 'EX', ARGV[4])
end
return result
