local trailed

-- Whether any job has a trail (lib/transitions): asked once a call, none of which forgets a job that it has noted itself.
local function any_trails()
  if trailed == nil then trailed = call('EXISTS', K.trail) == 1 end
  return trailed
end

-- leased → done: nothing of these jobs stays but their result. Returns how many others their limits have let out.
-- A cancellation asked for while a job was leased is fulfilled by whatever takes the job off its session: it never runs
-- again.
local function forget(ids)
  let_go(ids)
  local let_out = drop_marks(ids)
  call('HDEL', K.jobs, unpack(ids))
  if any_trails() then call('HDEL', K.trail, unpack(ids)) end
  if common then return let_out end
  if call('HLEN', K.prio) > 0 then call('HDEL', K.prio, unpack(ids)) end
  if call('HLEN', K.crash) > 0 then call('HDEL', K.crash, unpack(ids)) end
  if call('SCARD', K.cancel) > 0 then call('SREM', K.cancel, unpack(ids)) end
  return let_out
end

-- → done (cancelled): ids that have just been taken from where they stood, and what waits for them. keep_ms: see endings.
-- Returns what forget does, and how many jobs waited for them.
local function call_off(ids, keep_ms)
  for _, id in ipairs(ids) do note_end(id, 'cancelled', keep_ms) end
  call('HINCRBY', K.count, 'cancelled', #ids)
  local let_out = forget(ids)
  return let_out, gates().cut(ids)
end

local function cancel_pending(id)
  if common or call('SCARD', K.cancel) == 0 or call('SREM', K.cancel, id) == 0 then return false end
  call_off({id})
  return true
end
