-- Remove the record of a task that has ended and is to run again; that of one which has not ended stays.
-- KEYS[1] record   ARGV none
-- Returns 1 if it was removed, else 0.
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
  return 0
end
-- In a value of the record the quotes would be escaped.
if string.find(redis.call('GET', KEYS[1]), '"Status":"finished"', 1, true) then
  return redis.call('DEL', KEYS[1])
end
return 0
