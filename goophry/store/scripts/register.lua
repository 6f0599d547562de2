-- Note that a task with an Id is there; when it begins, for its producer may have pushed it itself.
-- KEYS[1] hash of Ids   KEYS[2] hash of unique owners
-- ARGV[1] the Id   ARGV[2] what makes it equal to others, empty = it goes on to own that
-- Returns 1 if a key held something else and was emptied, else 0. Allowed at Redis's maxmemory.
redis.call('PERSIST', KEYS[1])
local emptied = 0
for i = 1, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'hash' then
    redis.call('DEL', KEYS[i])
    emptied = 1
  end
end
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], ARGV[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
if ARGV[2] ~= '' then
  local owner = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^%d+ (.+)$')
  if owner == ARGV[1] then
    redis.call('HDEL', KEYS[2], ARGV[2])
  end
end
return emptied
