-- Append to the failed list; its expiry starts anew.
-- KEYS[1] failed list
-- ARGV[1] the entry   ARGV[2] seconds until the list expires, 0 = none are set
-- Returns the length. Raises when the key holds something else, whose expiry is then left alone.
local length = redis.call('RPUSH', KEYS[1], ARGV[1])
if ARGV[2] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return length
