-- The ready path: a stream per priority, and one for suspects. Who claims is a consumer of its group GROUP, so that what is
-- leased is pending with its session. What comes back from a session, given back, failed or its worker dead, goes to the
-- consumer RETURNED where it stands, and is claimed before what is new. An entry lives as long as its job is ready or leased:
-- a stream holds nothing else, and nothing is ever trimmed. `at` says where the entry of a job is.
-- An entry is {'id', id}, and 'at', µs, where its job could have run before it was made.
--@include wake
local SUSPECT_AFTER = 2
local GROUP, RETURNED = 'fleet', 'returned'
local common = false -- true: there is nothing of what few queues have (see exchange), so nobody need look for it

-- Of ids whose entry is somewhere: line → its entries
local function entries_of(ids)
  local entries = {}
  for _, place in ipairs(call('HMGET', K.at, unpack(ids))) do
    if place then
      local line, entry = string.match(place, '^(%S+) (.+)$')
      entries[line] = entries[line] or {}
      table.insert(entries[line], entry)
    end
  end
  return entries
end

-- What was popped and is not ready again leaves the ready path.
local function let_go(ids)
  local some = false
  for line, entries in pairs(entries_of(ids)) do
    some = true
    call('XACK', K[line], GROUP, unpack(entries))
    call('XDEL', K[line], unpack(entries))
  end
  if some then call('HDEL', K.at, unpack(ids)) end
end

-- pending → pending with another consumer. Returns the entries with their fields.
local function hand_over(line, consumer, entries, ...)
  local words = {'XCLAIM', K[line], GROUP, consumer, 0}
  for _, entry in ipairs(entries) do words[#words + 1] = entry end
  for _, option in ipairs({...}) do words[#words + 1] = option end
  local found = redis.pcall(unpack(words))
  return found.err and {} or found -- the group was destroyed: the next one begins with all entries
end

-- Where they stand, whoever has them; also those that somebody else has acknowledged. Counts as no delivery.
local function put_back(line, entries)
  hand_over(line, RETURNED, entries, 'FORCE', 'JUSTID')
end

local function lines_of(ids)
  local lines = {}
  local ranked = not common and call('HLEN', K.prio) > 0 and call('HMGET', K.prio, unpack(ids))
  local crashed = not common and call('HLEN', K.crash) > 0 and call('HMGET', K.crash, unpack(ids))
  for i = 1, #ids do
    lines[i] = 'ready:' .. (ranked and ranked[i] or 'default')
    if crashed and (tonumber(crashed[i]) or 0) >= SUSPECT_AFTER then lines[i] = 'suspects' end
  end
  return lines
end

-- ids: 1..1000 of them, their envelopes already in `jobs`.
local function push_ready(ids, scores)
  local at, located, back = call('HMGET', K.at, unpack(ids)), {}, {}
  for i, line in ipairs(lines_of(ids)) do
    local was, entry = string.match(at[i] or '', '^(%S+) (.+)$')
    if was == line then
      back[line] = back[line] or {}
      table.insert(back[line], entry)
    else
      if was then let_go({ids[i]}) end
      entry = call('XADD', K[line], '*', 'id', ids[i], 'at', scores[i])
      located[#located + 1] = ids[i]
      located[#located + 1] = line .. ' ' .. entry
    end
  end
  if #located > 0 then call('HSET', K.at, unpack(located)) end
  for line, entries in pairs(back) do put_back(line, entries) end
end

-- The first `most` entries that a consumer has pending.
local function pending_of(line, consumer, most)
  local found = redis.pcall('XPENDING', K[line], GROUP, '-', '+', most, consumer)
  if found.err then return {} end -- no group yet: nothing was ever claimed
  for i, one in ipairs(found) do found[i] = one[1] end
  return found
end

-- How many entries the group has pending, and the last one delivered; nil before the first claim.
local function group_of(line)
  for _, group in ipairs(call('XINFO', 'GROUPS', K[line])) do
    local of = {}
    for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
    if of.name == GROUP then return of.pending, of['last-delivered-id'] end
  end
end

local function returned_in(line)
  if #pending_of(line, RETURNED, 1) == 0 then return 0 end
  for _, consumer in ipairs(call('XPENDING', K[line], GROUP)[4]) do
    if consumer[1] == RETURNED then return tonumber(consumer[2]) end
  end
end

local function ready_in(line)
  local length = call('XLEN', K[line])
  local pending = length > 0 and group_of(line)
  return pending and pending > 0 and length - pending + returned_in(line) or length
end
--@include count
