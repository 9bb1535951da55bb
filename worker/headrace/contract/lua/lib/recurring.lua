-- The record of a Schedule, the hash `schedule:<uid>`: its terms (name, timing, gen, suspended), since (ticks after it count), last
-- (the latest tick that was dealt with), how many were enqueued, skipped and missed, and three msgpack lists: recent (newest
-- first, {tick, job id, fate}), active (its jobs that were not over, oldest first), requests (the latest runs out of turn).
-- All times are Unix ms. `schedules` names every uid that has a record.
local MOST_ACTIVE = 100

local function list_in(packed) return packed and cmsgpack.unpack(packed) or {} end

-- A job that is done has no envelope; a dead one may come back, and is over all the same.
local function not_over(ids)
  local found = {}
  for _, id in ipairs(ids) do
    if call('HEXISTS', K.jobs, id) == 1 and not call('ZSCORE', K.dead, id) then found[#found + 1] = id end
  end
  return found
end

-- What a decision to fire depends on, as one string; '' where there is no record.
local function standing_of(uid)
  local held = call('HMGET', K['schedule:' .. uid], 'timing', 'gen', 'since', 'last', 'suspended')
  if not held[1] then return '', nil, false end
  for i = 2, 5 do held[i] = held[i] or '' end
  return table.concat(held, '|'), tonumber(held[4]), held[5] == '1'
end

-- {uid, now_ms, its jobs that are not over, flat list of the fields}
local function described(uid)
  local fields = call('HGETALL', K['schedule:' .. uid])
  local active = {}
  for i = 1, #fields, 2 do
    if fields[i] == 'active' then active = not_over(list_in(fields[i + 1])) end
  end
  return {uid, clock.ms, active, fields}
end
