-- Note that a job of poulpe's clients comes in; what was said of one with the same key before is forgotten.
-- KEYS[1] hash of jobs   KEYS[2] list of what was said   ARGV[1] key   ARGV[2] ticket
-- Returns the ticket of the job that it replaces, or nil.
-- A key that holds something else is emptied first.
for i, wanted in pairs({'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
local before = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%S+) ')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' 0')
redis.call('DEL', KEYS[2])
return before
