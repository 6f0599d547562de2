-- Pause a type, or resume it, and tell all instances.
-- KEYS[1] set of the paused types
-- ARGV[1] the type   ARGV[2] `pause` or `resume`   ARGV[3] channel   ARGV[4] what is told there
-- Returns {1 if that was a change else 0, 1 if the key held another kind of value and was emptied else 0}.
-- A first write that Redis allows at its maxmemory: it allows the others of the script then, for whoever pauses may do so because of that.
redis.call('PERSIST', KEYS[1])
local repaired = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'set' then
  redis.call('DEL', KEYS[1])
  repaired = 1
end
local changed
if ARGV[2] == 'pause' then
  changed = redis.call('SADD', KEYS[1], ARGV[1])
else
  changed = redis.call('SREM', KEYS[1], ARGV[1])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return {changed, repaired}
