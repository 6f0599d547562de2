-- Note that a job was not taken in after all.
-- KEYS[1] hash of jobs   ARGV[1] key   ARGV[2] ticket   ARGV[3] ticket of the job that it was to replace, or empty
-- A key that holds something else is emptied first.
for i, wanted in pairs({'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
if string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%S+) ') ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' 0')
return 1
