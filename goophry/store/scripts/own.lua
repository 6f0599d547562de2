-- Let a task that is to run again be what others like it are held against, unless one of them is there by now.
-- KEYS[1] hash of Ids   KEYS[2] hash of unique owners
-- ARGV[1] its Id   ARGV[2] what makes it equal to others   ARGV[3] ms that this counts at most, 0 = no end
-- Returns 1 if it is, else 0. An owner whose Id is not there holds up nobody: it may be noted before the task comes.
for i = 1, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'hash' then
    redis.call('DEL', KEYS[i])
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms, owner = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^(%d+) (.+)$')
if owner and (until_ms == '0' or tonumber(until_ms) > now) and redis.call('HEXISTS', KEYS[1], owner) == 1 then
  return owner == ARGV[1] and 1 or 0
end
local counts_until = tonumber(ARGV[3])
if counts_until > 0 then
  counts_until = now + counts_until
end
redis.call('HSET', KEYS[2], ARGV[2], string.format('%.0f', counts_until) .. ' ' .. ARGV[1])
return 1
