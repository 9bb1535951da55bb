-- Settlements that are not plain done, each under the rule of lib/settle: {kind, id, claim, …}.
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

local function settle_others(own, version, others, stale, outcomes)
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
end
