-- Take a task in, unless it is there already.
-- KEYS[1] queue   KEYS[2] sorted set of what is due later   KEYS[3] hash of Ids   KEYS[4] hash of unique owners
-- KEYS[5] hash of schedules' last moments
-- ARGV[1] the entry   ARGV[2] its Id   ARGV[3] now, in or at   ARGV[4] for in: ms from now; for at: Unix ms
-- ARGV[5] what makes it equal to others, empty = nothing   ARGV[6] ms that this counts at most, 0 = no end
-- ARGV[7] name of the schedule it comes from, empty = of none   ARGV[8] its moment, Unix ms, empty = out of turn
-- ARGV[9] channel of events   ARGV[10] type, for the event   ARGV[11] 1 if the schedule's run before is to be gone
-- Returns {accepted, due in Unix ms or 0, helper keys emptied} or {id} or {unique, Id of the owner} or
-- {overlap, Id of the run before} or {moment}: that moment, or a later one, has been taken or left out.
-- Raises before anything is changed when the queue is no list.
redis.call('LLEN', KEYS[1])
local emptied = 0
for i, wanted in pairs({[2] = 'zset', [3] = 'hash', [4] = 'hash', [5] = 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
    emptied = emptied + 1
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last, before = '0', ''
if ARGV[7] ~= '' then
  -- First of all: who comes second is to hear that, and not that there is a task with its Id.
  last, before = string.match(redis.call('HGET', KEYS[5], ARGV[7]) or '', '^(%d+) ?(.*)$')
  last, before = last or '0', before or ''
  if ARGV[8] ~= '' and tonumber(last) >= tonumber(ARGV[8]) then
    return {'moment'}
  end
end
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 then
  return {'id'}
end
if ARGV[11] == '1' and redis.call('HEXISTS', KEYS[3], before) == 1 then
  return {'overlap', before}
end
if ARGV[5] ~= '' then
  local until_ms, owner = string.match(redis.call('HGET', KEYS[4], ARGV[5]) or '', '^(%d+) (.+)$')
  if owner and (until_ms == '0' or tonumber(until_ms) > now) and redis.call('HEXISTS', KEYS[3], owner) == 1 then
    return {'unique', owner}
  end
end
-- From here on it is taken in. At Redis's maxmemory the first of these is refused, and nothing has been done.
local due = 0
if ARGV[3] == 'now' then
  redis.call('RPUSH', KEYS[1], ARGV[1])
else
  due = tonumber(ARGV[4])
  if ARGV[3] == 'in' then
    due = now + due
  end
  redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[1])
  if redis.call('ZRANGE', KEYS[2], 0, 0)[1] == ARGV[1] then
    redis.call('PUBLISH', ARGV[9], cjson.encode({Event = 'delayed', Type = ARGV[10]}))
  end
end
redis.call('HSET', KEYS[3], ARGV[2], string.format('%.0f', now))
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[5], ARGV[7], (ARGV[8] ~= '' and ARGV[8] or last) .. ' ' .. ARGV[2])
end
if ARGV[5] ~= '' then
  local until_ms = tonumber(ARGV[6])
  if until_ms > 0 then
    until_ms = now + until_ms
  end
  redis.call('HSET', KEYS[4], ARGV[5], string.format('%.0f', until_ms) .. ' ' .. ARGV[2])
end
return {'accepted', due, emptied}
