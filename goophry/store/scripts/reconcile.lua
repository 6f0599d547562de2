-- Make a running list hold exactly what its instance holds.
-- KEYS[1] running list   KEYS[2] queue   KEYS[3] instances set   KEYS[4] taken mark
-- ARGV[1] the instance   ARGV[2] 1 if entries that nobody holds stay: a pop is under way
-- ARGV[3] n   ARGV[4 … n+3] entries held   the rest: entries settled whose removal is in doubt
-- Returns {restored, requeued, entries held that another instance has recovered meanwhile …}:
--   restored  held entries that were missing without having been taken, put back into the list
--   requeued  listed entries that nobody holds, put back to the head of the queue
-- Raises before anything is changed when the queue is no list.
redis.call('LLEN', KEYS[2])
for i, wanted in pairs({[1] = 'list', [3] = 'set'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
local held, settled = {}, {}
local n = tonumber(ARGV[3])
for i = 4, #ARGV do
  local side = i <= n + 3 and held or settled
  side[ARGV[i]] = (side[ARGV[i]] or 0) + 1
end
local taken = redis.call('DEL', KEYS[4])
redis.call('SADD', KEYS[3], ARGV[1])
local keep, back = {}, {}
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if (held[entry] or 0) > 0 then
    held[entry] = held[entry] - 1
    table.insert(keep, entry)
  elseif (settled[entry] or 0) > 0 then
    settled[entry] = settled[entry] - 1
  elseif ARGV[2] == '1' then
    table.insert(keep, entry)
  else
    table.insert(back, entry)
  end
end
local result = {0, #back}
for i = 4, n + 3 do
  local entry = ARGV[i]
  if (held[entry] or 0) > 0 then
    held[entry] = held[entry] - 1
    if taken == 1 then
      table.insert(result, entry)
    else
      table.insert(keep, entry)
      result[1] = result[1] + 1
    end
  end
end
redis.call('DEL', KEYS[1])
for _, entry in ipairs(keep) do
  redis.call('RPUSH', KEYS[1], entry)
end
for i = #back, 1, -1 do
  redis.call('LPUSH', KEYS[2], back[i])
end
return result
