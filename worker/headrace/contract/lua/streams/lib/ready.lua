-- The ready path: a stream per line. Who claims is a consumer of its group, so what is leased is pending, with its session;
-- what comes back from a session, with its delay behind it or its worker dead, goes over to the consumer RETURNED where it
-- stands, and is claimed before what is new. An entry lives as long as its job is ready or leased: a stream holds nothing
-- else, and nothing is ever trimmed. `at` says where the entry of a job is.
-- An entry is {'id', id}, and 'at', µs, where a job could have run before its entry was made.
--@include wake, lines
local GROUP, RETURNED = 'fleet', 'returned'

local function stream_of(line)
  return K['stream:' .. line]
end

-- Of ids whose entry is somewhere: line → its entries
local function entries_of(ids)
  local entries = {}
  for _, place in ipairs(call('HMGET', K.at, unpack(ids))) do
    if place then
      local line, entry = string.match(place, '^(%a+) (.+)$')
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
    call('XACK', stream_of(line), GROUP, unpack(entries))
    call('XDEL', stream_of(line), unpack(entries))
  end
  if some then call('HDEL', K.at, unpack(ids)) end
end

-- pending → pending with another consumer; what is pending with nobody stays so.
local function hand_over(line, consumer, entries, just_id)
  local words = {stream_of(line), GROUP, consumer, 0}
  for _, entry in ipairs(entries) do words[#words + 1] = entry end
  words[#words + 1] = just_id -- counts as no delivery
  return call('XCLAIM', unpack(words))
end

-- ids: 1..1000 of them, their envelopes already in `jobs`.
local function push_ready(ids, scores)
  local at, located, back = call('HMGET', K.at, unpack(ids)), {}, {}
  for i, line in ipairs(lines_of(ids)) do
    local was, entry = string.match(at[i] or '', '^(%a+) (.+)$')
    if was == line then
      back[line] = back[line] or {}
      table.insert(back[line], entry)
    else
      if was then let_go({ids[i]}) end
      entry = call('XADD', stream_of(line), '*', 'id', ids[i], 'at', scores[i])
      located[#located + 1] = ids[i]
      located[#located + 1] = line .. ' ' .. entry
    end
  end
  if #located > 0 then call('HSET', K.at, unpack(located)) end
  for line, entries in pairs(back) do hand_over(line, RETURNED, entries, 'JUSTID') end
end

-- The n plain jobs of an enqueue: new, of default priority, n pairs of id and value from ARGV[first] on.
local function push_plain(first, n)
  local stream, located = stream_of('default'), {}
  for i = 1, n do
    local id = ARGV[first + 2 * i - 2]
    located[2 * i - 1] = id
    located[2 * i] = 'default ' .. call('XADD', stream, '*', 'id', id)
  end
  call('HSET', K.at, unpack(located))
  clock.us = clock.us + n
end

-- Since when the job of an entry could have run, µs.
local function ready_at(entry, fields)
  return tonumber(fields[4]) or tonumber(string.match(entry, '^%d+')) * 1000
end

-- What somebody else has put into the stream is no job, and would be claimed for ever.
local function append(line, found, ids, scores)
  for _, one in ipairs(found) do
    local entry, fields = one[1], one[2]
    if fields and fields[1] == 'id' then
      ids[#ids + 1] = fields[2]
      scores[#scores + 1] = ready_at(entry, fields)
    else
      call('XACK', stream_of(line), GROUP, entry)
      call('XDEL', stream_of(line), entry)
    end
  end
end

-- The first `most` entries that a consumer has pending.
local function pending_of(line, consumer, most)
  local entries = {}
  local found = redis.pcall('XPENDING', stream_of(line), GROUP, '-', '+', most, consumer)
  if found.err then return entries end -- no group yet: nothing was ever claimed
  for i, one in ipairs(found) do entries[i] = one[1] end
  return entries
end

local function read_new(line, n, sid)
  local words = {'XREADGROUP', 'GROUP', GROUP, sid, 'COUNT', n, 'STREAMS', stream_of(line), '>'}
  local found = redis.pcall(unpack(words))
  if found and found.err then
    if not string.find(found.err, 'NOGROUP', 1, true) then error(found.err) end
    call('XGROUP', 'CREATE', stream_of(line), GROUP, '0')
    found = call(unpack(words))
  end
  return found and found[1][2] or {}
end

-- Appends the first n of a line to ids, and since when they could have run to scores: for the session in ARGV[1].
local function pop(line, n, ids, scores)
  if n <= 0 then return end
  local sid = ARGV[1]
  local returned = pending_of(line, RETURNED, n)
  if #returned > 0 then append(line, hand_over(line, sid, returned), ids, scores) end
  if #returned < n then append(line, read_new(line, n - #returned, sid), ids, scores) end
end

-- A session is gone, and all it held has found its place: so has what it had pending, unless others have meddled.
local function dismiss(sid)
  for _, line in ipairs(LINES) do
    local left = pending_of(line, sid, 1000)
    if #left > 0 then hand_over(line, RETURNED, left, 'JUSTID') end
    if #pending_of(line, sid, 1) == 0 then redis.pcall('XGROUP', 'DELCONSUMER', stream_of(line), GROUP, sid) end
  end
end

-- How many of these one id were ready: 0 or 1.
local function take_ready(id)
  local line, entry = string.match(call('HGET', K.at, id) or '', '^(%a+) (.+)$')
  if not line then return 0 end
  local held = redis.pcall('XPENDING', stream_of(line), GROUP, entry, entry, 1)
  if not held.err and held[1] and held[1][2] ~= RETURNED then return 0 end
  let_go({id})
  return 1
end

-- {all that is pending, the id last delivered}, nil before the first claim.
local function group_of(line)
  for _, group in ipairs(call('XINFO', 'GROUPS', stream_of(line))) do
    local of = {}
    for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
    if of.name == GROUP then return {of.pending, of['last-delivered-id']} end
  end
  return nil
end

local function returned_in(line)
  if #pending_of(line, RETURNED, 1) == 0 then return 0 end
  for _, consumer in ipairs(call('XPENDING', stream_of(line), GROUP)[4]) do
    if consumer[1] == RETURNED then return tonumber(consumer[2]) end
  end
  return 0
end

local function ready_in(line)
  local length = call('XLEN', stream_of(line))
  local group = length > 0 and group_of(line)
  if not group or group[1] == 0 then return length end
  return length - group[1] + returned_in(line)
end

local function ready_count()
  local total = 0
  for _, line in ipairs(LINES) do total = total + ready_in(line) end
  return total
end

-- Since when its first job could have run, µs; nil when the line is empty.
local function oldest_in(line)
  if call('XLEN', stream_of(line)) == 0 then return nil end
  local returned = pending_of(line, RETURNED, 1)[1]
  local group = group_of(line)
  local from = returned or (group and '(' .. group[2] or '-')
  local head = call('XRANGE', stream_of(line), from, '+', 'COUNT', 1)[1]
  return head and ready_at(head[1], head[2])
end

-- How to look for ids there, for lib/places: a leased job's entry is there, too.
local function ready_structures()
  return {{'ready', 'HMGET', K.at, false}}
end
