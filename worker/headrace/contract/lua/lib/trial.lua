-- A version on trial charges nobody: its failed runs and its crashes are evidence against it, not against the jobs,
-- which another version may well complete. `meta.trial` names such versions, parted by spaces, until `trial_until`.
local TRIAL_PAUSE_MS, TRIAL_PAUSE_MOST_MS = 1000, 60000

local function on_trial(version)
  return clock.trial and version ~= '' and string.find(' ' .. clock.trial .. ' ', ' ' .. version .. ' ', 1, true) ~= nil
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
