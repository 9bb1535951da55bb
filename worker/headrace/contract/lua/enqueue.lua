-- (new) → ready | scheduled. Idempotent: the same (producer, seq) again answers as before and writes nothing.
-- Its first write is an HSET, so a full Redis (maxmemory, noeviction) refuses it whole; nothing else is ever refused.
--@include keys, clock, ready, schedule
-- KEYS: [1] the queue's prefix
-- ARGV: [1] producer, [2] seq (an integer that grows; a call that was overtaken on its way is refused),
--        [3] keep_ms (how long seq and given ids are remembered), [4] n,
--       then n pairs id, value (plain: default priority, now, an id made by the producer),
--       last: msgpack list of {id, value, at_ms, delay_ms, priority, given} or ''
-- RETURNS: list of the given ids that already existed (nothing was enqueued for them);
--          error QUEUEFULL limit room: the queue has a limit and no room for all of these, nothing was enqueued
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

local function is_taken(id) return call('HEXISTS', K.jobs, id) == 1 or call('EXISTS', K['i:' .. id]) == 1 end

-- The limit is for jobs that wait, whatever they wait for; only where one is set does an enqueue count them.
local function room_left()
  return limit - ready_count() - call('ZCARD', K.sched) - call('SCARD', K.parked)
end

local function new_jobs()
  local new = plain + #specials
  for _, s in ipairs(specials) do if s[6] and is_taken(s[1]) then new = new - 1 end end
  return new
end

if limit then
  local room = math.max(room_left(), 0)
  if plain + #specials > room and new_jobs() > room then
    return redis.error_reply('QUEUEFULL ' .. limit .. ' ' .. room)
  end
end

local existing, added = {}, 0
if plain > 0 then
  call('HSET', K.jobs, unpack(ARGV, 5, 4 + 2 * plain))
  local scored = {}
  local us = clock.us
  for i = 1, plain do
    scored[2 * i - 1] = us + i
    scored[2 * i] = ARGV[3 + 2 * i]
  end
  clock.us = us + plain
  call('ZADD', K['ready:default'], unpack(scored))
  added = plain
end

local function add_special(id, value, at_ms, delay_ms, priority, given)
  if given then
    if is_taken(id) then
      existing[#existing + 1] = id
      return
    end
    call('SET', K['i:' .. id], '1', 'PX', keep_ms)
  end
  call('HSET', K.jobs, id, value)
  if priority ~= 'default' then call('HSET', K.prio, id, priority) end
  local due = delay_ms > 0 and clock.ms + delay_ms or at_ms
  if due > clock.ms then
    schedule(id, due)
  else
    clock.us = clock.us + 1
    push_ready({id}, {clock.us})
    added = added + 1
  end
end

for _, s in ipairs(specials) do add_special(unpack(s)) end

call('HINCRBY', K.count, 'enqueued', plain + #specials - #existing)
call('SET', K['p:' .. producer], cmsgpack.pack({seq, existing}), 'PX', keep_ms)
if added > 0 then
  wake(added)
  signal()
end
save_clock()
return existing
