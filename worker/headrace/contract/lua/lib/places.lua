-- Where an id stands, in all structures: a flat list place, detail, …. A place is a state's name, 'suspects' or
-- 'reaping'; detail is its score there, or the sid that holds it. A sound job has exactly one.
local sessions = call('ZRANGE', K.sess, 0, -1)
local reaping = call('ZRANGE', K.reaping, 0, -1)

local function places_of(id)
  local places = {}
  local function note(place, detail)
    if detail then
      places[#places + 1] = place
      places[#places + 1] = detail
    end
  end
  note('dead', call('ZSCORE', K.dead, id))
  for _, sid in ipairs(sessions) do if call('HEXISTS', K['own:' .. sid], id) == 1 then note('leased', sid) end end
  for _, sid in ipairs(reaping) do if call('HEXISTS', K['own:' .. sid], id) == 1 then note('reaping', sid) end end
  note('suspects', call('ZSCORE', K.suspects, id))
  for _, p in ipairs(PRIORITIES) do note('ready', call('ZSCORE', K['ready:' .. p], id)) end
  note('scheduled', call('ZSCORE', K.sched, id))
  if call('SISMEMBER', K.parked, id) == 1 then note('parked', '0') end
  return places
end
