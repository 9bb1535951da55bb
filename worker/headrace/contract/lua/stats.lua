-- Reads a consistent snapshot of the queue's numbers; writes nothing.
--@include keys, clock, ready, lines, presence, protocol, rate
-- KEYS: [1] the queue's prefix
-- ARGV: none
-- RETURNS: flat list name, value, …; then 'ticks', {…}, 'counts', {…}, 'versions', {…}, 'failures', {…},
--          'workers', {sid, presence, leases, deadline, cordoned, …}
local t = call('TIME')
local now_ms = t[1] * 1000 + math.floor(t[2] / 1000)
clock.us = t[1] * 1000000 + t[2]

local ready, oldest = ready_count(), nil
for _, line in ipairs(LINES) do
  local since = oldest_in(line)
  if since and (not oldest or since < oldest) then oldest = since end
end

local workers, leased = {}, 0
local function read_session(sid, deadline)
  local leases = call('HLEN', K['own:' .. sid])
  leased = leased + leases
  local cordon = tonumber(call('ZSCORE', K.cordon, sid) or 0)
  local presence = call('HGET', K.workers, sid)
  if presence then
    for _, v in ipairs({sid, presence, leases, deadline, cordon > now_ms and 1 or 0}) do workers[#workers + 1] = v end
  end
end
local sessions = call('ZRANGE', K.sess, 0, -1, 'WITHSCORES')
for i = 1, #sessions, 2 do read_session(sessions[i], sessions[i + 1]) end
for _, sid in ipairs(call('ZRANGE', K.reaping, 0, -1)) do leased = leased + call('HLEN', K['own:' .. sid]) end

local meta = call('HMGET', K.meta, 'paused', 'asleep', 'owner', 'owner_until', 'proto', 'min_proto', 'trial', 'trial_until')
local owner = (tonumber(meta[4]) or 0) > now_ms and meta[3] or ''
local overdue = call('ZCOUNT', K.sched, '-inf', now_ms)
local due = overdue + call('ZCOUNT', K.kdue, '-inf', now_ms)
local next_due = -1
local function note_due(ms)
  if ms and (next_due < 0 or ms < next_due) then next_due = ms end
end
for _, key in ipairs({'sched', 'kdue'}) do
  local after = '(' .. string.format('%.0f', now_ms)
  note_due(tonumber(call('ZRANGEBYSCORE', K[key], after, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]))
end

-- What the queue's rate lets go now is ready; the others are held back.
local function held_back()
  local rate = call('HMGET', K.rate, 'tat', 'interval', 'burst')
  if not rate[2] or ready == 0 then return 0 end
  local allowed, next_us = allowance(tonumber(rate[1]) or 0, {0, tonumber(rate[2]), tonumber(rate[3])})
  if allowed < ready then note_due(math.max(math.ceil(next_us / 1000), now_ms + 1)) end
  return math.max(0, ready - math.max(0, allowed))
end
local held = held_back()
ready = ready - held
if ready == 0 then oldest = nil end

local oldest_dead = call('ZRANGE', K.dead, 0, 0, 'WITHSCORES')[2]
return {
  'now_ms', now_ms, 'ready', ready, 'due', due, 'scheduled', call('ZCARD', K.sched) - overdue, 'leased', leased,
  'parked', call('SCARD', K.parked), 'awaiting', call('HLEN', K.awaiting), 'held', held, 'dead', call('ZCARD', K.dead),
  'oldest_ready_ms', oldest and math.floor(oldest / 1000) or -1, 'next_due_ms', next_due,
  'oldest_dead_ms', oldest_dead and math.floor(tonumber(oldest_dead) / 1000) or -1,
  'expired_sessions', call('ZCOUNT', K.sess, '-inf', now_ms) + call('ZCARD', K.reaping),
  'paused', meta[1] == '1' and 1 or 0, 'asleep', meta[2] == '1' and 1 or 0, 'owner', owner,
  'protocol', tonumber(meta[5]) or 0, 'least_protocol', least_protocol(meta[6], meta[5]),
  'trial', meta[7] or '', 'trial_left_ms', meta[7] and math.max((tonumber(meta[8]) or 0) - now_ms, 0) or 0,
  'ticks', call('HGETALL', K.ticks), 'counts', call('HGETALL', K.count), 'versions', call('HGETALL', K.versions),
  'failures', call('HGETALL', K.failures), 'workers', workers,
}
