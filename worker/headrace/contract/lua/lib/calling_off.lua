-- One job is called off wherever it stands: ready | scheduled | parked | awaiting → done (cancelled); leased → leased, its worker
-- told. Dead and done are final.

-- keep_ms: see endings. Returns 'cancelled' | 'cancelling' | 'dead' | 'unknown'.
local function call_off_one(id, keep_ms)
  local removed = call('ZREM', K.sched, id) + call('SREM', K.parked, id) + call('HEXISTS', K.awaiting, id) + take_ready(id)
  if removed > 0 then
    rouse(call_off({id}, keep_ms))
    return 'cancelled'
  end
  if call('ZSCORE', K.dead, id) then return 'dead' end
  if call('HEXISTS', K.jobs, id) == 0 then return 'unknown' end
  if call('SADD', K.cancel, id) == 1 then note_transition(id, 'cancelling', 0, '') end
  return 'cancelling'
end
