-- How much there is of a type.   KEYS[1] queue   KEYS[2] sorted set   KEYS[3] set of owners
-- ARGV[1] beginning of the names of running lists
-- Returns {waiting, delayed, running}.
local running = 0
for _, owner in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  running = running + redis.call('LLEN', ARGV[1] .. owner)
end
return {redis.call('LLEN', KEYS[1]), redis.call('ZCARD', KEYS[2]), running}
