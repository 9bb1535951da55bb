-- (new) → ready | scheduled | awaiting, unless its id or unique key is taken: then the first job stands. Idempotent: the same
-- (producer, seq) again answers as before and writes nothing.
-- Its first write is an HSET, so a full Redis (maxmemory, noeviction) refuses it whole; nothing else is ever refused.
--@include keys, clock, protocol, ready, schedule, marking, flowing
-- KEYS: [1] the queue's prefix
-- ARGV: [1] producer, [2] seq (an integer that grows; a call that was overtaken on its way is refused),
--        [3] keep_ms (how long seq and given ids are remembered), [4] n,
--       then n pairs id, value (plain: default priority, now, an id made by the producer),
--       last: msgpack list of {id, value, at_ms, delay_ms, priority, given, limit key, rule, unique key, unique_ms,
--       fingerprint, workflow} or ''; what has the five before the last has a mark, see lib/marking, and what has the last
--       belongs to a workflow, see lib/flowing
-- RETURNS: flat list place in that list (from 1), id of the job that stands, 1 if a given id was used with another
--          fingerprint, else 0, …: of those for which nothing was enqueued
--          | error UPGRADE: a worker is too old for marks or workflows, nothing was enqueued
--          | error QUEUEFULL limit room: the queue has a limit and no room for all of these, nothing was enqueued
local limit = tonumber(read_clock('limit'))
local producer, seq, keep_ms, plain = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local last = call('GET', K['p:' .. producer])
if last then
  local reply = cmsgpack.unpack(last)
  if reply[1] == seq then return reply[2] end
  if tonumber(reply[1]) > tonumber(seq) then
    return redis.error_reply('OVERTAKEN a later call of this producer was answered')
  end
end

local special = ARGV[5 + 2 * plain]
local specials = special ~= '' and cmsgpack.unpack(special) or {}

-- The job that a given id names already, and whether it was enqueued with other arguments.
local function first_of_id(id, fingerprint)
  local first = call('GET', K['i:' .. id])
  if not first then
    if call('HEXISTS', K.jobs, id) == 0 then return nil end
    local mark = call('HGET', K.marks, id)
    first = mark and cmsgpack.unpack(mark)[4] or ''
  end
  local known = first ~= '' and first ~= '1' and fingerprint ~= ''
  return id, known and first ~= fingerprint
end

local function first_of_key(unique)
  local first = call('GET', K['u:' .. unique])
  return first and call('HEXISTS', K.jobs, first) == 1 and first or nil
end

local function first_of(s)
  local first, conflict
  if s[6] then first, conflict = first_of_id(s[1], s[11] or '') end
  if not first and (s[9] or '') ~= '' then first = first_of_key(s[9]) end
  return first, conflict
end

-- The limit is for jobs that wait, whatever they wait for; only where one is set does an enqueue count them.
local function room_left()
  return limit - ready_count() - call('ZCARD', K.sched) - call('SCARD', K.parked) - call('HLEN', K.awaiting)
end

local function new_jobs()
  local new = plain + #specials
  for _, s in ipairs(specials) do if first_of(s) then new = new - 1 end end
  return new
end

if limit then
  local room = math.max(room_left(), 0)
  if plain + #specials > room and new_jobs() > room then
    return redis.error_reply('QUEUEFULL ' .. limit .. ' ' .. room)
  end
end

local refusal = refuse_marks(specials) or refuse_workflows(specials)
if refusal then return refusal end

local standing, refused, added = {}, 0, 0
if plain > 0 then
  call('HSET', K.jobs, unpack(ARGV, 5, 4 + 2 * plain))
  push_plain(5, plain)
  added = plain
end

local function add_special(s)
  local id, fingerprint, unique = s[1], s[11] or '', s[9] or ''
  if s[6] then call('SET', K['i:' .. id], fingerprint ~= '' and fingerprint or '1', 'PX', keep_ms) end
  if unique ~= '' then call('SET', K['u:' .. unique], id, 'PX', s[10]) end
  set_mark(s)
  call('HSET', K.jobs, id, s[2])
  if s[5] ~= 'default' then call('HSET', K.prio, id, s[5]) end
  if s[12] and enter_workflow(s) then return end
  local due = s[4] > 0 and clock.ms + s[4] or s[3]
  if due > clock.ms then
    schedule(id, due)
  else
    clock.us = clock.us + 1
    push_ready({id}, {clock.us})
    added = added + 1
  end
end

for place, s in ipairs(specials) do
  local first, conflict = first_of(s)
  if first then
    refused = refused + 1
    for _, v in ipairs({place, first, conflict and 1 or 0}) do standing[#standing + 1] = v end
  else
    add_special(s)
  end
end

call('HINCRBY', K.count, 'enqueued', plain + #specials - refused)
call('SET', K['p:' .. producer], cmsgpack.pack({seq, standing}), 'PX', keep_ms)
if added > 0 then
  wake(added)
  signal()
end
save_clock()
return standing
