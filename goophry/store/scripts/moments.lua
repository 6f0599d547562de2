-- Tell which moment of each schedule was the last, by the same clock for all.
-- KEYS[1] hash of schedules' last moments
-- ARGV[1] ms by which a last moment may lie ahead   ARGV[2 …] names of schedules
-- Returns {now in Unix ms, fields put right, the last moment of each in Unix ms …}. A schedule that is seen for the
-- first time begins now. So does one whose last moment lies further ahead: Redis's clock was wrong when it was noted,
-- and the schedule would be silent until then.
local repaired = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then
  redis.call('DEL', KEYS[1])
  repaired = 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local result = {now, 0}
for i = 2, #ARGV do
  local noted = redis.call('HGET', KEYS[1], ARGV[i])
  local last = tonumber(string.match(noted or '', '^(%d+)'))
  if not last or last > now + ARGV[1] then
    last = now
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now))
    if noted then
      repaired = repaired + 1
    end
  end
  table.insert(result, last)
end
result[2] = repaired
return result
