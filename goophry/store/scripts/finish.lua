-- Keep the result of a task, and tell those who wait for it.
-- KEYS[1] record   ARGV[1] the record as JSON   ARGV[2] seconds that it is kept, 0 = not at all   ARGV[3] channel
-- At Redis's maxmemory nobody is kept waiting: the record is then not kept.
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '0' then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return redis.call('PUBLISH', ARGV[3], ARGV[1])
