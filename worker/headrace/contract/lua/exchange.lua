-- The heart: settles what a worker has finished, promotes what is due, reaps what has expired, claims up to n jobs.
-- leased → done | scheduled | ready | dead; scheduled → ready; ready → leased; awaiting → ready | scheduled.
-- Replayable: the same (sid, lane, seq) again settles nothing and answers with the jobs that call has claimed (their
-- ready-at is then the time of the answer).
-- Begins with a removal, so that a full Redis lets it run and drains.
--@include keys, clock, ready, marks, promote, endings, gates, forget, trial, settle, pop, claim, handover
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid, [2] lane, [3] seq (an integer that grows; a call that was overtaken on its way is refused),
--       [4] n (0: claim nothing), [5] flags ('i' was idle, 'q' quiet), [6] version,
--       [7] service µs of the done jobs, [8] number of done groups, then per group claim, count, ids…,
--       last: msgpack list of the other settlements or ''
-- RETURNS: {status, now_ms, next_due_ms | -1, stale ids, cancelled ids, ids, values, ready-at µs, crashes,
--           this version is on trial (0 | 1)}; next_due_ms: when to ask again, having got nothing
--       status: OK, LOST (no such session: all settlements were refused), PAUSED, CORDONED (settled, claimed nothing)
read_clock()
local sid, lane, seq, n, flags, version = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local own, claim = K['own:' .. sid], lane .. '.' .. seq
local others = ARGV[#ARGV] ~= '' and cmsgpack.unpack(ARGV[#ARGV]) or {}

local function refuse_all()
  call('SREM', K.idle, sid)
  pass_on() -- it may have taken a wake token with it
  local settlements, at = #others, 9
  for _ = 1, tonumber(ARGV[8]) do
    settlements = settlements + tonumber(ARGV[at + 1])
    at = at + 2 + tonumber(ARGV[at + 1])
  end
  if settlements > 0 then call('HINCRBY', K.count, 'stale', settlements) end
  return {'LOST', clock.ms, -1, {}, {}, {}, {}, {}, {}, 0}
end

local function standing()
  local cordon = not common and call('ZSCORE', K.cordon, sid)
  if cordon and tonumber(cordon) > clock.ms then return 'CORDONED' end
  return clock.paused and 'PAUSED' or 'OK'
end

local function any_expired()
  return clock.ms >= clock.reap_after and #call('ZRANGEBYSCORE', K.sess, '-inf', clock.ms, 'LIMIT', 0, 1) > 0
end

local remembered = call('HMGET', K['lane:' .. sid], lane, 'rules')
local rules = remembered[2] and cmsgpack.unpack(remembered[2]) or {}

-- What follows is made only by calls that need it: making its functions is most of what it would cost every other one.
local function make_limits()
  --@include rate, limits
  return {claim = claim_within, let_out_due = let_out_due, next_look_ms = next_look_ms}
end
local limits = (clock.marks or remembered[2]) and make_limits()

local function make_settle_others()
  --@include presence, transitions, schedule, dead, feed, evidence, others
  return settle_others_of(sid)
end

local function make_reap()
  --@include presence, transitions, dead, take, dismiss, versions, reap
  return reap
end

local function answer(status, stale, ids, values, scores)
  local due = -1
  if #ids == 0 and n > 0 then
    due = next_due_ms()
    local look = limits and limits.next_look_ms(sid, status, rules) or -1
    if look >= 0 and (due < 0 or look < due) then due = look end
  end
  local trial = on_trial(version) and 1 or 0
  return {status, clock.ms, due, stale, cancelled_among(own), ids, values, scores, crashes_of(ids), trial}
end

local function answer_again(stale)
  local ids, scores = held_since(own, claim)
  local values = {}
  if #ids > 0 then ids, values, scores = values_of(own, ids, scores) end
  return answer(standing(), stale, ids, values, scores)
end

local function claim_some(status)
  local ids, values, scores = {}, {}, {}
  if status == 'OK' and n > 0 then
    if limits then limits.claim(sid, n, rules, ids, scores)
    elseif not claim_suspect(sid, ids, scores) then claim_ready(n, ids, scores) end
  end
  if #ids == 0 then return ids, values, scores end
  hold(own, claim, ids)
  ids, values, scores = values_of(own, ids, scores)
  if #ids == 0 then call('RPUSH', K.wake, '1') end -- nothing but remains of lost jobs: this session asks again
  return ids, values, scores
end

if not call('ZSCORE', K.sess, sid) then return refuse_all() end
if remembered[1] then
  local reply = cmsgpack.unpack(remembered[1])
  if reply[1] == seq then return answer_again(reply[2]) end
  if tonumber(reply[1]) > tonumber(seq) then
    return redis.error_reply('OVERTAKEN a later call of this lane was answered')
  end
end

call('SREM', K.idle, string.find(flags, 'i', 1, true) and sid or '')
common = call('EXISTS', K['ready:high'], K['ready:low'], K.prio, K.crash, K.suspects, K.cancel, K.cordon, K.reaping) == 0
local stale = settle_all(own, version, others, #others > 0 and make_settle_others())
call('HSET', K['lane:' .. sid], lane, cmsgpack.pack({seq, stale}))
promote(math.max(n, 100))
if clock.marks then limits.let_out_due() end
if not common or any_expired() then
  common = false
  make_reap()(sid)
end

local status = standing()
local ids, values, scores = claim_some(status)
give_up_apart(sid, status == 'OK' and n > 0, string.find(flags, 'q', 1, true))
-- Who can't take what others might is not idle: a token would be lost on it.
local barred = status == 'CORDONED' or clock.alone == sid
if barred then
  call('SREM', K.idle, sid)
elseif #ids == 0 and n > 0 then
  call('SADD', K.idle, sid)
end
if status ~= 'PAUSED' and (barred or #ids >= n) then pass_on() end
if clock.asleep and ready_count() > 0 then signal() end
if herald then herald.announce() end
save_clock()
return answer(status, stale, ids, values, scores)
