-- Leave out the moments of a schedule up to one of them.
-- KEYS[1] hash of schedules' last moments   ARGV[1] name of the schedule   ARGV[2] the moment, Unix ms
-- Returns 1; 0 if that moment, or a later one, has been taken or left out already. The Id of the newest run stays.
local noted = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if (tonumber(string.match(noted, '^(%d+)')) or 0) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. (string.match(noted, '^%d+( .+)$') or ''))
return 1
