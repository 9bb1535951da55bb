-- Looks along the ready path, and takes single ids off it.
local LINES = {'suspects', 'ready:high', 'ready:default', 'ready:low'}

-- How many of these one id were ready: 0 or 1.
local function take_ready(id)
  local line, entry = string.match(call('HGET', K.at, id) or '', '^(%S+) (.+)$')
  if not line then return 0 end
  local held = redis.pcall('XPENDING', K[line], GROUP, entry, entry, 1)
  if not held.err and held[1] and held[1][2] ~= RETURNED then return 0 end
  let_go({id})
  return 1
end

-- Since when the first job of a line could have run, µs; nil when there is none.
local function oldest_in(line)
  if call('XLEN', K[line]) == 0 then return nil end
  local returned = pending_of(line, RETURNED, 1)[1]
  local _, last = group_of(line)
  local head = call('XRANGE', K[line], returned or (last and '(' .. last or '-'), '+', 'COUNT', 1)[1]
  return head and (tonumber(head[2][4]) or tonumber(string.match(head[1], '^%d+')) * 1000)
end

-- How to look for ids there, see lib/places: a leased job's entry is there, too.
local function ready_structures()
  return {{'ready', 'HMGET', K.at, false}}
end
