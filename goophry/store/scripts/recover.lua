-- Put what a dead instance held back to the head of the queue, in the old order.
-- KEYS[1] running list of the dead   KEYS[2] queue   KEYS[3] instances set
-- KEYS[4] running list of the caller   KEYS[5] taken mark of the dead   KEYS[6] last step of the dead
-- KEYS[7] hash: which instances died with an entry; a field for each, named by the SHA-1 of the entry without marks
-- ARGV[1] the dead instance   ARGV[2] the mark put before an entry for each recovery
-- ARGV[3] how many marks an entry may carry   ARGV[4] seconds that the taken mark, and the hash, live
-- ARGV[5] the time, as it is to stand in the hash
-- Returns {how many went back, pairs of an entry that carries too many marks and its field of the hash …};
-- these entries are now held by the caller, who fails them. Raises before anything is moved when a list of the living is none.
redis.call('LLEN', KEYS[2])
redis.call('LLEN', KEYS[4])
-- A first write that Redis allows at its maxmemory: it allows the others of the script then.
redis.call('PERSIST', KEYS[1])
for i, wanted in pairs({[1] = 'list', [7] = 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    redis.call('DEL', KEYS[i])
  end
end
-- Every entry that a crash interrupted has a field for a day. So many are a flood of crashes, in
-- which no single entry is to blame.
if redis.call('HLEN', KEYS[7]) > 10000 then
  redis.call('DEL', KEYS[7])
end
-- Note one more death of an entry and return all that are known, as JSON.
local function note(field)
  local known, deaths = pcall(cjson.decode, redis.call('HGET', KEYS[7], field) or '[]')
  if not known or type(deaths) ~= 'table' or (next(deaths) and not deaths[1]) then
    deaths = {}
  end
  table.insert(deaths, {Instance = ARGV[1], At = ARGV[5]})
  return cjson.encode(deaths)
end
local entries = redis.call('LRANGE', KEYS[1], 0, -1)
local mark, limit = ARGV[2], tonumber(ARGV[3])
local result = {0}
local lost = {}
for i = #entries, 1, -1 do
  local entry, marks = entries[i], 0
  while string.sub(entry, marks * #mark + 1, (marks + 1) * #mark) == mark do
    marks = marks + 1
  end
  local field = redis.sha1hex(string.sub(entry, marks * #mark + 1))
  if marks >= limit then
    table.insert(lost, 1, {entry, note(field)})
    redis.call('HDEL', KEYS[7], field)
  else
    redis.call('HSET', KEYS[7], field, note(field))
    redis.call('LPUSH', KEYS[2], mark .. entry)
    result[1] = result[1] + 1
  end
end
for _, pair in ipairs(lost) do
  redis.call('RPUSH', KEYS[4], pair[1])
  table.insert(result, pair[1])
  table.insert(result, pair[2])
end
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('SREM', KEYS[3], ARGV[1])
if #entries > 0 then
  redis.call('SET', KEYS[5], #entries, 'EX', ARGV[4])
  redis.call('EXPIRE', KEYS[7], ARGV[4])
end
return result
