-- A version on trial charges nobody: its failed runs and its crashes are evidence against it, not against the jobs,
-- which another version may well complete (lib/evidence). `meta.trial` names such versions, parted by spaces, until
-- `trial_until`.
local function on_trial(version)
  return clock.trial and version ~= '' and string.find(' ' .. clock.trial .. ' ', ' ' .. version .. ' ', 1, true) ~= nil
end
