-- leased → done: nothing of these jobs stays but their result. Returns how many others their limits have let out.
-- A cancellation asked for while a job was leased is fulfilled by whatever takes the job off its session: it never runs
-- again.
local function forget(ids)
  let_go(ids)
  local let_out = drop_marks(ids)
  call('HDEL', K.jobs, unpack(ids))
  if call('HLEN', K.prio) > 0 then call('HDEL', K.prio, unpack(ids)) end
  if call('HLEN', K.crash) > 0 then call('HDEL', K.crash, unpack(ids)) end
  if call('SCARD', K.cancel) > 0 then call('SREM', K.cancel, unpack(ids)) end
  return let_out
end

local function cancel_pending(id)
  if call('SCARD', K.cancel) == 0 or call('SREM', K.cancel, id) == 0 then return false end
  note_end(id, 'cancelled')
  forget({id})
  gates().cut({id})
  call('HINCRBY', K.count, 'cancelled', 1)
  return true
end
