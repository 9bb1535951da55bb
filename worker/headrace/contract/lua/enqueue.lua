-- (new) → ready | scheduled | awaiting, unless its id or unique key is taken: then the first job stands. Idempotent: the same
-- (producer, seq) again answers as before and writes nothing.
-- Its first write is an HSET, so a full Redis (maxmemory, noeviction) refuses it whole; nothing else is ever refused.
--@include keys, clock, ready, plain
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

local packed = ARGV[5 + 2 * plain]
local specials = packed ~= '' and cmsgpack.unpack(packed) or {}

-- Made only where a job is not plain: making functions is most of what they would cost every other enqueue.
local function make_special()
  --@include presence, protocol, schedule, marking, flowing, special
  return {first_of = first_of, refuse_marks = refuse_marks, refuse_workflows = refuse_workflows, add = add_special}
end
local special = #specials > 0 and make_special()

-- The limit is for jobs that wait, whatever they wait for; only where one is set does an enqueue count them.
if limit then
  local waiting = ready_count() + call('ZCARD', K.sched) + call('SCARD', K.parked) + call('HLEN', K.awaiting)
  local room = math.max(limit - waiting, 0)
  local new = plain + #specials
  if new > room then
    for _, s in ipairs(specials) do if special.first_of(s) then new = new - 1 end end
  end
  if new > room then return redis.error_reply('QUEUEFULL ' .. limit .. ' ' .. room) end
end

local refusal = special and (special.refuse_marks(specials) or special.refuse_workflows(specials))
if refusal then return refusal end

local standing, refused, added = {}, 0, 0
if plain > 0 then
  call('HSET', K.jobs, unpack(ARGV, 5, 4 + 2 * plain))
  push_plain(5, plain)
  added = plain
end

for place, s in ipairs(specials) do
  local first, conflict = special.first_of(s)
  if first then
    refused = refused + 1
    for _, v in ipairs({place, first, conflict and 1 or 0}) do standing[#standing + 1] = v end
  else
    added = added + special.add(s, keep_ms)
  end
end

call('HINCRBY', K.count, 'enqueued', plain + #specials - refused)
call('SET', K['p:' .. producer], cmsgpack.pack({seq, standing}), 'PX', keep_ms)
rouse(added)
save_clock()
return standing
