-- leased → ready | suspects | dead: the jobs of sessions whose lease has ended. A crash is counted apart from attempts,
-- and against nobody when its version was on trial.
-- A session is fenced first (out of `sess`, into `reaping`); its ids follow, a chunk a call.

-- Counts a death with jobs in hand, and notes whether they are to be spared, and whose they were: when they are moved the
-- trial may be over and the presence is gone.
local function note_death(sid)
  local version = version_of(sid)
  note_version(version)
  if call('HLEN', K['own:' .. sid]) == 0 then return end
  call('HSET', K['lane:' .. sid], 'worker', worker_named(sid))
  if version ~= '' then call('HINCRBY', K.versions, version .. ':crashed', 1) end
  if on_trial(version) then call('HSET', K['lane:' .. sid], 'spared', '1') end
end

local function fence(sid)
  call('ZREM', K.sess, sid)
  if call('ZADD', K.reaping, clock.ms, sid) == 1 then note_death(sid) end
  call('SREM', K.idle, sid)
  call('HDEL', K.workers, sid)
end

local function bury_crashed(id, crashes, worker)
  local value = call('HGET', K.jobs, id)
  local task = string.sub(value, 5, 4 + string.byte(value, 4))
  local message = 'the worker died ' .. crashes .. ' times while running this job'
  local attempts = string.byte(value, 2)
  bury(id, task, 'WorkerCrashed', cmsgpack.pack({message, attempts, crashes, worker}), '', '')
  note_end(id, 'dead')
  call('HDEL', K.crash, id)
end

-- worker: the name of the one that held them
local function abandon(ids, spared, worker)
  local known = call('HMGET', K.jobs, unpack(ids))
  local back, scores = {}, {}
  free_slots(ids)
  for i, id in ipairs(ids) do
    if not known[i] then
      let_go({id})
      drop_marks({id})
      gates().cut({id})
    elseif not cancel_pending(id) then
      local crashes = spared and 0 or call('HINCRBY', K.crash, id, 1)
      if crashes >= CRASH_LIMIT then
        bury_crashed(id, crashes, worker)
        call('HINCRBY', K.count, 'dead', 1)
      else
        note_transition(id, 'lost', crashes, worker)
        clock.us = clock.us + 1
        back[#back + 1] = id
        scores[#scores + 1] = clock.us
      end
    end
  end
  if #back > 0 then push_ready(back, scores) end
  call('HINCRBY', K.count, 'crashed', #ids)
end

local function reap_one(sid)
  local own = K['own:' .. sid]
  local ids = take_some(own)
  if #ids > 0 then
    local of = call('HMGET', K['lane:' .. sid], 'spared', 'worker')
    abandon(ids, of[1], of[2] or '')
  end
  if call('EXISTS', own) == 0 then
    call('ZREM', K.reaping, sid)
    call('UNLINK', K['lane:' .. sid])
    dismiss(sid)
    if clock.alone == sid then
      call('HDEL', K.meta, 'alone')
      clock.alone = false
    end
  end
  return #ids
end

-- Fences one expired session and moves one chunk; returns how many ids it moved. The calling session is left to
-- others: it is speaking, and it is about to claim.
local function reap(caller)
  if clock.ms >= clock.reap_after then
    local expired = call('ZRANGEBYSCORE', K.sess, '-inf', clock.ms, 'LIMIT', 0, 2)
    local sid = expired[1] == caller and expired[2] or expired[1]
    if sid and sid ~= caller then fence(sid) end
  end
  local next_one = call('ZRANGE', K.reaping, 0, 0)
  if not next_one[1] then return 0 end
  return reap_one(next_one[1])
end
