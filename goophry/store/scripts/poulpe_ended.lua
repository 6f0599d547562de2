-- Say how an attempt of a job has ended, once, unless the job has been replaced meanwhile.
-- KEYS[1] hash of jobs   KEYS[2] list for what is said   KEYS[3] hash of the dead
-- KEYS[4] hash of jobs of the cron file that are to be put in
-- ARGV[1] key   ARGV[2] ticket   ARGV[3] number of the attempt   ARGV[4] what is said, empty = nothing
-- ARGV[5] seconds that it is kept, 0 = no end   ARGV[6] channel   ARGV[7] 1 if the job has ended with this
-- ARGV[8] dead letter, empty = it is not dead
-- A key that holds something else is emptied first.
for i, wanted in pairs({'hash', 'list', 'hash', 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
local ticket, told = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%S+) (%d+)$')
if ticket ~= ARGV[2] then
  return 0
end
if ARGV[4] ~= '' and tonumber(told) < tonumber(ARGV[3]) then
  redis.call('RPUSH', KEYS[2], ARGV[4])
  if ARGV[5] ~= '0' then
    redis.call('EXPIRE', KEYS[2], ARGV[5])
  end
  redis.call('PUBLISH', ARGV[6], '')
end
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[8])
end
if ARGV[7] == '1' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ticket .. ' ' .. ARGV[3])
end
return 1
