-- Make a running list hold exactly what its instance holds.
-- KEYS[1] running list   KEYS[2] queue   KEYS[3] instances set   KEYS[4] taken mark   KEYS[5] number of the last step
-- ARGV[1] the instance   ARGV[2] 1 if entries that nobody holds stay: a pop is under way
-- ARGV[3] number of this step   ARGV[4] 1 if this is another server than the one the entries were taken from
-- ARGV[5] h   ARGV[6 … h+5] entries held
-- the rest: pairs of a settled entry and the number of the step that first was to remove it
-- Returns {restored, requeued, replaced, entered, entries held that another instance has recovered meanwhile …}:
--   restored  held entries that were missing without having been taken, put back into the list
--   requeued  listed entries that nobody holds, put back to the head of the queue
--   replaced  keys that held another kind of value than they should, and were emptied
--   entered   1 if the instance was not in the set: it is new, or somebody has changed the set
-- The taken mark goes only when nothing is reported as taken: the answer may be lost.
-- Raises before anything is changed when the queue is no list.
redis.call('LLEN', KEYS[2])
-- An expiry that somebody set would lose entries. And a first write that Redis allows at its
-- maxmemory: it allows the others of the script then, which store hardly more than was there.
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[3])
local replaced = 0
for i, wanted in pairs({[1] = 'list', [3] = 'set', [5] = 'string'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
    replaced = replaced + 1
  end
end
local held, settled = {}, {}
local last_held = 5 + tonumber(ARGV[5])
for i = 6, last_held do
  held[ARGV[i]] = (held[ARGV[i]] or 0) + 1
end
local done = tonumber(redis.call('GET', KEYS[5]) or 0) or 0
for i = last_held + 1, #ARGV, 2 do
  -- What was removed before is gone: an entry that equals it is a new one.
  if tonumber(ARGV[i + 1]) > done then
    settled[ARGV[i]] = (settled[ARGV[i]] or 0) + 1
  end
end
local taken = redis.call('EXISTS', KEYS[4])
local entered = redis.call('SADD', KEYS[3], ARGV[1])
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
-- A server that lacks the last writes has not heard that an entry was taken: it waits again, near
-- the head of the queue, where all are that were taken last.
local function unqueue(entry)
  if ARGV[4] == '1' and redis.call('LPOS', KEYS[2], entry, 'MAXLEN', 10000) then
    redis.call('LREM', KEYS[2], 1, entry)
  end
end
for entry, count in pairs(settled) do
  for _ = 1, count do
    unqueue(entry)
  end
end
local result = {0, #back, replaced, entered}
for i = 6, last_held do
  local entry = ARGV[i]
  if (held[entry] or 0) > 0 then
    held[entry] = held[entry] - 1
    if taken == 1 then
      table.insert(result, entry)
    else
      unqueue(entry)
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
redis.call('SET', KEYS[5], ARGV[3])
if #result == 4 then
  redis.call('DEL', KEYS[4])
end
return result
