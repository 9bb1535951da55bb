-- What a version on trial has failed: counted by kind, and its jobs given back without charge, see lib/trial.
local TRIAL_PAUSE_MS, TRIAL_PAUSE_MOST_MS = 1000, 60000
local REASONS_KEPT, MAX_REASON, OTHER = 5, 64, 'other'

-- Under what a failure is counted: a name, as classes of exceptions have. What anybody wrote in words may hold what
-- nobody else should read, and counts as OTHER, as does what comes after the first few.
local function reason_kept(version, reason)
  if type(reason) ~= 'string' or #reason > MAX_REASON or not string.find(reason, '^[%a_][%w_.]*$') then return OTHER end
  if call('HEXISTS', K.failures, version .. ':' .. reason) == 1 then return reason end
  local kinds = 0
  for _, field in ipairs(call('HKEYS', K.failures)) do
    local of, kind = string.match(field, '^(.*):([^:]*)$')
    if of == version and kind ~= OTHER then kinds = kinds + 1 end
  end
  return kinds < REASONS_KEPT and reason or OTHER
end

local function count_failure(version, reason)
  call('HINCRBY', K.failures, version .. ':' .. reason_kept(version, reason), 1)
  if call('HLEN', K.failures) == 1 then call('PEXPIRE', K.failures, clock.trial_left) end
end

-- leased → scheduled, nothing charged. Waits longer each time that a version on trial has failed the job, so that one
-- which always fails keeps no lone worker busy. True for the first time: a job is evidence once.
local function give_back(version, id, delay_ms)
  local field = version .. ':' .. id
  local times = call('HINCRBY', K.tried, field, 1)
  if times == 1 and call('HLEN', K.tried) == 1 then call('PEXPIRE', K.tried, clock.trial_left) end
  local pause = math.min(TRIAL_PAUSE_MS * 2 ^ math.min(times - 1, 10), TRIAL_PAUSE_MOST_MS)
  schedule(id, clock.ms + math.max(delay_ms, pause))
  return times == 1
end
