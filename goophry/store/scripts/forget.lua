-- Remove a value, unless somebody has changed it.
-- KEYS[1] string   ARGV[1] what it is if nobody has
-- Returns 1 if it was removed, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
