-- Be the holder of a type no longer.   KEYS[1] holder   ARGV[1] what this instance said of itself
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
