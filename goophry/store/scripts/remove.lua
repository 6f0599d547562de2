-- Take a task out before it runs.
-- KEYS[1] queue   KEYS[2] sorted set   KEYS[3] hash of Ids   KEYS[4] hash of unique owners
-- ARGV[1] the entry as it waits   ARGV[2] its Id or empty   ARGV[3] what makes it equal to others
-- Returns 1 if it was there, else 0 and nothing is changed.
local there = redis.call('LREM', KEYS[1], 1, ARGV[1]) + redis.call('ZREM', KEYS[2], ARGV[1])
if there == 0 then
  return 0
end
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[3], ARGV[2])
  local owner = string.match(redis.call('HGET', KEYS[4], ARGV[3]) or '', '^%d+ (.+)$')
  if owner == ARGV[2] then
    redis.call('HDEL', KEYS[4], ARGV[3])
  end
end
return 1
