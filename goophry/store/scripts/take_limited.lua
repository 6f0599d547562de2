-- Take entries from the head of a queue, as many as a rate allows.
-- KEYS[1] queue   KEYS[2] list of the moments of what was taken within the span, Unix µs, the newest first
-- KEYS[3] running list; without it, entries are taken and stored nowhere
-- ARGV[1] how many at most   ARGV[2] how many within a span   ARGV[3] the span in µs
-- Returns {µs until the rate allows the next one, 0 if it is not the rate that ends the taking, entries in order …}.
-- By Redis's clock alone. Nothing is noted for an entry that is not there. Raises before anything is taken when the queue or
-- the running list is none, or, with a running list, at Redis's maxmemory.
if KEYS[3] then
  redis.call('LLEN', KEYS[3])
end
local want = math.min(tonumber(ARGV[1]), redis.call('LLEN', KEYS[1]))
if want == 0 then
  return {0}
end
local count, span = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local now = clock
-- The moments that the next ones wait for: the last place of the span first.
local first = math.max(0, count - want)
local kept, sound = {}, true
if redis.call('TYPE', KEYS[2]).ok == 'list' then
  kept = redis.call('LRANGE', KEYS[2], first, count - 1)
  local newest = tonumber(redis.call('LINDEX', KEYS[2], 0))
  sound = newest ~= nil and newest < clock + span
  if sound then
    -- After the clock was set back a little, it counts as standing still.
    now = math.max(clock, newest)
  end
else
  sound = redis.call('EXISTS', KEYS[2]) == 0
end
for i, moment in ipairs(kept) do
  kept[i] = tonumber(moment)
  sound = sound and kept[i] ~= nil
end
if not sound then
  kept, now = {}, clock
end
local entries, wait = {}, 0
for i = 1, want do
  local before
  if i > count then
    before = now
  else
    before = kept[count - i - first + 1]
  end
  if before and before > now - span then
    wait = before + span - clock
    break
  end
  local entry
  if KEYS[3] then
    entry = redis.call('LMOVE', KEYS[1], KEYS[3], 'LEFT', 'RIGHT')
  else
    entry = redis.call('LPOP', KEYS[1])
  end
  table.insert(entries, entry)
end
if #entries > 0 then
  if not sound then
    redis.call('DEL', KEYS[2])
  end
  local moment = string.format('%.0f', now)
  for _ = 1, #entries do
    redis.call('LPUSH', KEYS[2], moment)
  end
  redis.call('LTRIM', KEYS[2], 0, count - 1)
  redis.call('PEXPIRE', KEYS[2], math.ceil((now - clock + span) / 1000))
end
return {wait, unpack(entries)}
