-- How long the record of a Schedule is kept that nobody looks at: its object may have gone while no operator was there. Who
-- looks renews it, once an hour at most, and `schedules` with it, which so outlives every record.
local KEEP_MS, RENEW_MS, SWEPT = 2592000000, 3600000, 10

-- A name whose record has expired goes; a record of an older release gets its time.
local function tidy(uid)
  local left = call('PTTL', K['schedule:' .. uid])
  if left == -2 then call('HDEL', K.schedules, uid) end
  if left == -1 then call('PEXPIRE', K['schedule:' .. uid], KEEP_MS) end
end

-- Nothing that a full Redis refuses. Returns 1 if there is a record | 0
local function keep_record(uid)
  local left = call('PTTL', K['schedule:' .. uid])
  if left == -2 then return 0 end
  if left <= KEEP_MS - RENEW_MS then
    call('PEXPIRE', K['schedule:' .. uid], KEEP_MS)
    call('PEXPIRE', K.schedules, KEEP_MS)
    for _, other in ipairs(call('HRANDFIELD', K.schedules, SWEPT)) do tidy(other) end
  end
  return 1
end
