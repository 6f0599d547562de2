-- Read a part of a list, or of a sorted set, no more than is good for one answer.
-- KEYS[1] list or sorted set
-- ARGV[1] the first index   ARGV[2] how many entries at most   ARGV[3] bytes after which it is enough
-- ARGV[4] 'up' towards the tail, or 'down' towards the head   ARGV[5] 'entries', or 'digests' for their SHA-1s
-- Returns {the first index there is, the entries in that direction: at least one, if there is one}.
local first, left, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local down, found = ARGV[4] == 'down', {}
local length, range = 'LLEN', 'LRANGE'
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
  length, range = 'ZCARD', 'ZRANGE'
end
if down then
  first = math.min(first, redis.call(length, KEYS[1]) - 1)
end
local index = first
while left > 0 and bytes > 0 and index >= 0 do
  -- Few at a time, for any of them may be large.
  local wanted = math.min(left, 20, down and index + 1 or left)
  local low = down and index - wanted + 1 or index
  local some = redis.call(range, KEYS[1], low, low + wanted - 1)
  for i = 1, #some do
    local entry = down and some[#some + 1 - i] or some[i]
    if bytes > 0 then
      table.insert(found, ARGV[5] == 'digests' and redis.sha1hex(entry) or entry)
      bytes = bytes - #entry
    end
  end
  if #some < wanted then
    break
  end
  index, left = down and low - 1 or index + wanted, left - wanted
end
return {first, found}
