-- leased → done | scheduled | ready | dead. A settlement counts only when this session still holds the job under
-- the very claim it names; any other is stale: refused, counted, told to the caller.

-- Splits ids into those held under `claim` and those that are not (appended to stale).
local function held_under(own, claim, ids, stale)
  local claims = call('HMGET', own, unpack(ids))
  local held, missed = ids, false
  for i = 1, #ids do if claims[i] ~= claim then missed = true end end
  if missed then
    held = {}
    for i, id in ipairs(ids) do
      if claims[i] == claim then held[#held + 1] = id else stale[#stale + 1] = id end
    end
  end
  return held
end

local function settle_done(own, stale)
  local done, at = 0, 9
  for _ = 1, tonumber(ARGV[8]) do
    local claim, count = ARGV[at], tonumber(ARGV[at + 1])
    local ids = held_under(own, claim, {unpack(ARGV, at + 2, at + 1 + count)}, stale)
    if #ids > 0 then
      done = done + call('HDEL', own, unpack(ids))
      forget(ids)
    end
    at = at + 2 + count
  end
  return done
end

local function set_attempts(id, attempts)
  local value = call('HGET', K.jobs, id)
  if value then
    call('HSET', K.jobs, id, string.sub(value, 1, 1) .. string.char(math.min(attempts, 255)) .. string.sub(value, 3))
  end
end

local settle = {}

-- Kinds whose job is gone afterwards: what it holds of its limits goes with it.
local ENDS = {done = true, cancel = true, result = true, pass = true}

-- {kind, id, claim, attempts, delay_ms, class of the error}: failed, to be tried again
function settle.retry(s)
  if cancel_pending(s[2]) then return 'failed' end
  set_attempts(s[2], s[4])
  if s[5] <= 0 then
    clock.us = clock.us + 1
    push_ready({s[2]}, {clock.us})
  else
    schedule(s[2], clock.ms + s[5])
  end
  return 'failed'
end

-- {kind, id, claim, ready-at µs, delay_ms}: given back, nothing charged; it keeps its place in the queue,
-- or waits delay_ms for another look
function settle.release(s)
  if cancel_pending(s[2]) then return 'released' end
  if s[5] > 0 then schedule(s[2], clock.ms + s[5]) else push_ready({s[2]}, {tonumber(s[4])}) end
  call('HINCRBY', K.count, 'released', 1)
  return 'released'
end

-- {kind, id, claim, task, reason, record, fingerprint, traceback, attempts}
function settle.bury(s)
  if cancel_pending(s[2]) then return 'failed' end
  set_attempts(s[2], s[9])
  call('HDEL', K.crash, s[2])
  bury(s[2], s[4], s[5], s[6], s[7], s[8])
  note_end(s[2], 'dead')
  call('HINCRBY', K.count, 'dead', 1)
  return 'dead'
end

-- {kind, id, claim}: settled again after Redis had lost it; plain settlements go in bulk, see settle_done.
-- Or {'pass', …}: a gate waits for it, see lib/feed
function settle.done(s)
  forget({s[2]})
  if s[1] == 'pass' then feeding().pass(s) end
  return 'completed'
end
settle.pass = settle.done

-- {kind, id, claim}
function settle.cancel(s)
  call_off({s[2]})
  return 'cancelled'
end

-- {kind, id, claim, result, ttl_ms, task, most results of that task}
function settle.result(s)
  forget({s[2]})
  keep_result(s[2], s[4], s[5], s[6], s[7])
  return 'completed'
end

local function attempts_of(id)
  local value = call('HGET', K.jobs, id)
  return value and string.byte(value, 2) or 0
end

-- What a version on trial says of a job that it has failed: a retry or a burial without charge. A retry that the handler
-- asked for, which charges nothing anyway, is neither evidence nor slowed down.
local function settle_on_trial(version, s)
  if s[1] == 'retry' and s[4] <= attempts_of(s[2]) then
    settle.retry(s)
    return 'released'
  end
  if cancel_pending(s[2]) then return 'failed' end
  local first = give_back(version, s[2], s[1] == 'retry' and s[5] or 0)
  call('HINCRBY', K.count, 'released', 1)
  call('HINCRBY', K.versions, version .. ':returned', 1)
  if first then count_failure(version, s[1] == 'retry' and s[6] or s[5]) end
  return first and 'failed' or 'released'
end

local function settle_one(version, trial, s)
  if trial and (s[1] == 'retry' or s[1] == 'bury') then return settle_on_trial(version, s) end
  return settle[s[1]](s)
end

local function count_version(version, outcomes, service_us)
  local prefix = version .. ':'
  if outcomes.completed > 0 then call('HINCRBY', K.versions, prefix .. 'completed', outcomes.completed) end
  local failed = outcomes.failed + outcomes.dead
  if failed > 0 then call('HINCRBY', K.versions, prefix .. 'failed', failed) end
  if outcomes.dead > 0 then call('HINCRBY', K.versions, prefix .. 'dead', outcomes.dead) end
  if service_us > 0 then call('HINCRBY', K.versions, prefix .. 'service_us', service_us) end
end

-- others: the unpacked settlements that are not plain done. Returns the ids whose settlement was refused.
local function settle_all(own, version, others)
  local stale = {}
  local outcomes = {completed = settle_done(own, stale), failed = 0, dead = 0, released = 0, cancelled = 0}
  local trial = on_trial(version)
  for _, s in ipairs(others) do
    if call('HGET', own, s[2]) == s[3] then
      call('HDEL', own, s[2])
      if s[1] == 'pass' then s = feeding().checked(s) end
      if not ENDS[s[1]] then free_slots({s[2]}) end
      local outcome = settle_one(version, trial, s)
      outcomes[outcome] = outcomes[outcome] + 1
    else
      stale[#stale + 1] = s[2]
    end
  end
  count_version(version, outcomes, tonumber(ARGV[7]))
  if #stale > 0 then call('HINCRBY', K.count, 'stale', #stale) end
  return stale
end
