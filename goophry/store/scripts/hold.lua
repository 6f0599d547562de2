-- Become the one instance that takes entries of a type.
-- KEYS[1] holder   KEYS[2] set of the type's owners
-- ARGV[1] what this instance says of itself   ARGV[2] its id   ARGV[3] what the holder said of itself, empty = there was none
-- ARGV[4] beginning of the names of running lists, or empty if what others hold is of no interest
-- Returns 1 if this instance is the holder now, else 0: another one is, or still holds entries.
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[3] then
  return 0
end
if ARGV[4] ~= '' then
  for _, owner in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    if owner ~= ARGV[2] and redis.call('LLEN', ARGV[4] .. owner) > 0 then
      return 0
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
