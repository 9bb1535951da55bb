-- Where ids stand, in all structures: per id a flat list place, detail, …. A place is a state's name, 'suspects' or
-- 'reaping'; detail is its score there, or the sid that holds it. A sound job has exactly one.
-- A command per structure, not per id: with many sessions that is most of the cost.

-- {place, command, key, detail (false: what the command answers)}, the most advanced place first
local function all_structures()
  local list = {{'dead', 'ZMSCORE', K.dead, false}}
  for _, sid in ipairs(call('ZRANGE', K.sess, 0, -1)) do list[#list + 1] = {'leased', 'HMGET', K['own:' .. sid], sid} end
  for _, sid in ipairs(call('ZRANGE', K.reaping, 0, -1)) do list[#list + 1] = {'reaping', 'HMGET', K['own:' .. sid], sid} end
  for _, structure in ipairs(ready_structures()) do list[#list + 1] = structure end
  list[#list + 1] = {'scheduled', 'ZMSCORE', K.sched, false}
  list[#list + 1] = {'parked', 'SMISMEMBER', K.parked, '0'}
  list[#list + 1] = {'awaiting', 'HMGET', K.awaiting, false}
  return list
end

-- ids: 1..1000 of them
local function places_of_all(ids)
  local places = {}
  for i = 1, #ids do places[i] = {} end
  for _, structure in ipairs(all_structures()) do
    local found = call(structure[2], structure[3], unpack(ids))
    for i = 1, #ids do
      if found[i] and found[i] ~= 0 then
        local list = places[i]
        list[#list + 1] = structure[1]
        list[#list + 1] = structure[4] or found[i]
      end
    end
  end
  return places
end
