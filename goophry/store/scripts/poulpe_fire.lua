-- Take a moment of the cron file and note its job, in one step: neither is there without the other.
-- KEYS[1] string that says that the moment is taken   KEYS[2] hash of jobs   KEYS[3] hash of jobs that are to be put in
-- ARGV[1] key of the job   ARGV[2] its ticket   ARGV[3] what is to be put in   ARGV[4] seconds that the moment counts
-- Returns 1; 0 if the moment has been taken already. At Redis's maxmemory nothing is done.
-- A key that holds something else is emptied first.
for i, wanted in pairs({[2] = 'hash', [3] = 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[4]) then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' 0')
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
return 1
