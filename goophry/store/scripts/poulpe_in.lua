-- Forget the note of a job that is in a queue, unless another has been written meanwhile.
-- KEYS[1] hash of notes   ARGV[1] key of the job   ARGV[2] the note
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  return 0
end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
