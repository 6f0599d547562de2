-- Take entries out of a failed list; with a queue they go to its tail in the same step.
-- KEYS[1] failed list   KEYS[2] queue   KEYS[3] hash: what is there → since when, Unix ms; both may be left out
-- ARGV[1] a text that is in no list
-- the rest: for each entry the index where it was seen, the entry, what goes to the queue, and its name in the
-- hash or nothing
-- Returns how many were there. An entry that has moved is found by its bytes; one that is gone is left out.
-- Raises before anything is changed when a list is none.
if KEYS[2] then
  redis.call('LLEN', KEYS[2])
end
-- A first write that Redis allows at its maxmemory: it allows the others of the script then, which
-- store hardly more than was there.
redis.call('LTRIM', KEYS[1], 0, -1)
if KEYS[3] and redis.call('TYPE', KEYS[3]).ok ~= 'hash' then
  redis.call('DEL', KEYS[3])
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local function put_back(i)
  if KEYS[2] then
    redis.call('RPUSH', KEYS[2], ARGV[i + 2])
  end
  if KEYS[3] and ARGV[i + 3] ~= '' then
    redis.call('HSETNX', KEYS[3], ARGV[i + 3], now)
  end
end
local marked, moved, elsewhere = 0, 0, {}
-- Marked first and removed together: removing by value walks through the list, once for all is enough.
for i = 2, #ARGV, 4 do
  if redis.call('LINDEX', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('LSET', KEYS[1], ARGV[i], ARGV[1])
    put_back(i)
    marked = marked + 1
  else
    table.insert(elsewhere, i)
  end
end
if marked > 0 then
  redis.call('LREM', KEYS[1], marked, ARGV[1])
end
for _, i in ipairs(elsewhere) do
  if redis.call('LREM', KEYS[1], 1, ARGV[i + 1]) > 0 then
    put_back(i)
    moved = moved + 1
  end
end
return marked + moved
