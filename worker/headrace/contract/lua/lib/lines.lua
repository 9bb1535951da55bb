-- The lines that ready jobs stand in: one per priority, and one for suspects, which run alone. A line per id costs jobs of
-- default priority that never crashed a worker no look-up.
local SUSPECT_AFTER = 2
local LINES = {'high', 'default', 'low', 'suspects'}

-- ids: 1..1000 of them
local function lines_of(ids)
  local lines = {}
  local ranked = call('HLEN', K.prio) > 0 and call('HMGET', K.prio, unpack(ids))
  local crashed = call('HLEN', K.crash) > 0 and call('HMGET', K.crash, unpack(ids))
  for i = 1, #ids do
    lines[i] = ranked and ranked[i] or 'default'
    if crashed and (tonumber(crashed[i]) or 0) >= SUSPECT_AFTER then lines[i] = 'suspects' end
  end
  return lines
end
