-- Note that a task with an Id has ended.
-- KEYS[1] hash of Ids   KEYS[2] hash of unique owners   ARGV[1] the Id   ARGV[2] what makes it equal to others
-- Returns 1 if a key held something else and was emptied, else 0.
local emptied = 0
for i = 1, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'hash' then
    redis.call('DEL', KEYS[i])
    emptied = 1
  end
end
redis.call('HDEL', KEYS[1], ARGV[1])
local owner = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^%d+ (.+)$')
if owner == ARGV[1] then
  redis.call('HDEL', KEYS[2], ARGV[2])
end
return emptied
