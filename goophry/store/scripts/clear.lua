-- Delete a list.
-- KEYS[1] list   ARGV none
-- Returns how many entries it had. Raises when the key holds something else.
local length = redis.call('LLEN', KEYS[1])
redis.call('UNLINK', KEYS[1])
return length
