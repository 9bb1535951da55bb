-- Looks along the ready path, and takes single ids off it.
local LINES = {'suspects', 'ready:high', 'ready:default', 'ready:low'}

-- How many of these one id were ready: 0 or 1.
local function take_ready(id)
  local taken = 0
  for _, line in ipairs(LINES) do taken = taken + call('ZREM', K[line], id) end
  return taken
end

-- Since when the first job of a line could have run, µs; nil when there is none.
local function oldest_in(line)
  return tonumber(call('ZRANGE', K[line], 0, 0, 'WITHSCORES')[2])
end

-- How to look for ids there, see lib/places.
local function ready_structures()
  local list = {}
  for _, line in ipairs(LINES) do
    list[#list + 1] = {line == 'suspects' and line or 'ready', 'ZMSCORE', K[line], false}
  end
  return list
end
