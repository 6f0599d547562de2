-- Remove a record, unless somebody has changed it.
-- KEYS[1] record   ARGV[1] what it is if nobody has
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
