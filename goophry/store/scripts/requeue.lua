-- Put entries of a running list back to the head of the queue, keeping their order.
-- KEYS[1] running list   KEYS[2] queue
-- ARGV    the entries, oldest first, as they stand in the running list
-- Returns how many were there and went back. An entry that is not in the running list is no
-- longer the caller's and stays where it is. Raises before anything is moved when the queue is no list.
redis.call('LLEN', KEYS[2])
local back = 0
for i = #ARGV, 1, -1 do
  if redis.call('LREM', KEYS[1], -1, ARGV[i]) > 0 then
    redis.call('LPUSH', KEYS[2], ARGV[i])
    back = back + 1
  end
end
return back
