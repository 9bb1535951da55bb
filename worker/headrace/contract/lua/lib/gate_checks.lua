-- Whether workflows hang together, for audits: a gate's own record, and that of each job that feeds it or waits at it.
local whole = {}

local function comes(who, at)
  local kind, name = string.sub(who, 1, 1), string.sub(who, 2)
  if kind == 'g' then return call('HGET', K['gate:' .. name], 'into') == at and whole[name] end
  return call('HGET', K.feeds, name) == at and call('HEXISTS', K.jobs, name) == 1
end

-- Everything that it waits for will come or can be replayed, and what has come is there.
local function is_whole(gate)
  local key = K['gate:' .. gate]
  local names, waiting, kept = call('HKEYS', key), 0, 0
  for _, name in ipairs(names) do
    local kind, place = string.match(name, '^([wr])(%d+)$')
    if kind == 'r' then kept = kept + 1 end
    if kind == 'w' then
      waiting = waiting + 1
      if not comes(call('HGET', key, name), gate .. ' ' .. place) then return false end
    end
  end
  local of = call('HMGET', key, 'left', 'many', 'limit')
  if tonumber(of[1]) ~= waiting or waiting == 0 then return false end
  return of[2] == '0' or of[3] == '-1' or waiting + kept == tonumber(of[2])
end
setmetatable(whole, {__index = function(known, gate)
  known[gate] = is_whole(gate)
  return known[gate]
end})

local started_by = setmetatable({}, {__index = function(known, gate)
  local ids = {}
  for _, id in ipairs(cmsgpack.unpack(call('HGET', K['gate:' .. gate], 'starts') or '\144')) do ids[id] = true end
  known[gate] = ids
  return ids
end})

local function will_start(id)
  local gate = string.match(call('HGET', K.awaiting, id) or '', '^%S+')
  return gate and whole[gate] and started_by[gate][id] or false
end

local function feeds_rightly(id)
  local gate, place = string.match(call('HGET', K.feeds, id) or '', '^(%S+) (%d+)$')
  return gate and call('HGET', K['gate:' .. gate], 'w' .. place) == 'j' .. id
end
