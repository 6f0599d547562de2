-- Set a field of a hash, also when the key held something else.
-- KEYS[1] hash   ARGV[1] field   ARGV[2] value
-- Returns 1 if the key held something else and was emptied, else 0.
local emptied = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then
  redis.call('DEL', KEYS[1])
  emptied = 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return emptied
