-- Take several entries from the head of the queue into a running list.
-- KEYS[1] queue   KEYS[2] running list
-- ARGV[1] how many at most
-- Returns the entries in order. Raises before anything is taken when a key holds no list, or at
-- Redis's maxmemory: the first move is refused then.
local entries = {}
for i = 1, tonumber(ARGV[1]) do
  local entry = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
  if not entry then
    break
  end
  entries[i] = entry
end
return entries
