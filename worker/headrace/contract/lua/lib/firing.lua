-- One run of a Schedule: whether its policy lets it begin, and what becomes of the runs before it.

local function no_room(limit, replaced)
  if not limit then return nil end
  local waiting = ready_count() + call('ZCARD', K.sched) + call('SCARD', K.parked) + call('HLEN', K.awaiting)
  for _, places in ipairs(#replaced > 0 and places_of_all(replaced) or {}) do
    if places[1] ~= 'leased' and places[1] ~= 'reaping' then waiting = waiting - 1 end
  end
  if waiting < limit then return nil end
  return redis.error_reply('QUEUEFULL ' .. limit .. ' 0')
end

-- fields: what else the record shall hold. The first write is an HSET whatever the fate: a full Redis refuses all of it.
local function note_run(uid, run, active, keep, fields)
  local record = K['schedule:' .. uid]
  local recent = list_in(call('HGET', record, 'recent'))
  table.insert(recent, 1, run)
  while #recent > keep do table.remove(recent) end
  call('HSET', record, 'recent', cmsgpack.pack(recent), 'active', cmsgpack.pack(active), unpack(fields))
  call('HINCRBY', record, run[3] == 'skipped' and 'skipped' or 'enqueued', 1)
end

local function begin_run(id)
  clock.us = clock.us + 1
  push_ready({id}, {clock.us})
  call('HINCRBY', K.count, 'enqueued', 1)
  rouse(1)
end

-- job: in enqueue.lua's form, its times and whether its id is given say nothing here. fields: flat list for the record.
-- Returns fate and the ids it has called off, or nil and an error.
local function run_once(uid, tick, job, concurrency, keep, limit, fields)
  local id, record = job[1], K['schedule:' .. uid]
  local active = not_over(list_in(call('HGET', record, 'active')))
  if concurrency == 'Forbid' and #active > 0 then
    note_run(uid, {tick, '', 'skipped'}, active, keep, fields)
    return 'skipped', {}
  end
  if call('HEXISTS', K.jobs, id) == 1 then -- of a record that was lost and has begun anew
    call('HSET', record, unpack(fields))
    return 'already', {}
  end
  local replaced = concurrency == 'Replace' and active or {}
  local refusal = no_room(limit, replaced) or refuse_marks({job})
  if refusal then return nil, refusal end
  local fate = #replaced > 0 and 'replaced' or 'enqueued'
  call('HSET', K.jobs, id, job[2])
  set_mark(job)
  if job[5] ~= 'default' then call('HSET', K.prio, id, job[5]) end
  for _, one in ipairs(replaced) do call_off_one(one) end
  local left = not_over(active)
  left[#left + 1] = id
  while #left > MOST_ACTIVE do table.remove(left, 1) end
  note_run(uid, {tick, id, fate}, left, keep, fields)
  begin_run(id)
  if herald then herald.announce() end
  return fate, replaced
end
