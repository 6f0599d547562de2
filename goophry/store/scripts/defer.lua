-- Put an entry off: out of the running list of its instance, into the set of what is due later, in one step.
-- KEYS[1] running list, or the queue for an entry that no list holds   KEYS[2] sorted set   KEYS[3] taken mark
-- KEYS[4] number of the last step
-- ARGV[1] the entry as it is held, empty = no list holds it   ARGV[2] the entry as it is to wait
-- ARGV[3] in or at   ARGV[4] for in: ms from now; for at: Unix ms   ARGV[5] channel of events   ARGV[6] type
-- ARGV[7] number of this step   ARGV[8] seconds that this number lives, 0 = no end
-- Returns {1} = done, {0} = another instance may have the entry by now, or a later step has come before this one,
-- {2} = with at: that moment has come, {3} = done, and the sorted set was none and was emptied. With 0 and 2 no entry was moved.
-- Its connection broke, and what it left undone was seen to: done now, the entry might be there twice.
if redis.call('TYPE', KEYS[4]).ok == 'string' and (tonumber(redis.call('GET', KEYS[4])) or 0) >= tonumber(ARGV[7]) then
  return {0}
end
local time = redis.call('TIME')
local due = tonumber(ARGV[4])
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] == 'in' then
  due = now + due
elseif due <= now then
  return {2}
end
-- A first write that Redis allows at its maxmemory: it allows the others of the script then.
redis.call('PERSIST', KEYS[2])
local kind, done = redis.call('TYPE', KEYS[2]).ok, 1
if kind ~= 'none' and kind ~= 'zset' then
  redis.call('DEL', KEYS[2])
  done = 3
end
-- An entry that nobody has taken, and that is missing all the same: somebody deleted the list.
if ARGV[1] ~= '' and redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 and redis.call('EXISTS', KEYS[3]) == 1 then
  return {0}
end
redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[2])
if redis.call('ZRANGE', KEYS[2], 0, 0)[1] == ARGV[2] then
  redis.call('PUBLISH', ARGV[5], cjson.encode({Event = 'delayed', Type = ARGV[6]}))
end
redis.call('SET', KEYS[4], ARGV[7])
if ARGV[8] ~= '0' then
  redis.call('EXPIRE', KEYS[4], ARGV[8])
end
return {done}
