-- ready | scheduled | parked | awaiting → done (cancelled); leased → leased, its worker told. Dead and done are final.
--@include keys, clock, ready, lines, marks, endings, gates, forget, presence, transitions
-- KEYS: [1] the queue's prefix
-- ARGV: [1] id, [2] keep_ms (how long the caller wants it remembered that it was called off; '': what its task says)
-- RETURNS: 'cancelled' | 'cancelling' (running: its worker stops it) | 'dead' | 'unknown'
local id = ARGV[1]
local removed = call('ZREM', K.sched, id) + call('SREM', K.parked, id) + call('HEXISTS', K.awaiting, id) + take_ready(id)
if removed > 0 then
  rouse(call_off({id}, ARGV[2] ~= '' and ARGV[2] or nil))
  if herald then herald.announce() end
  return 'cancelled'
end
if call('ZSCORE', K.dead, id) then return 'dead' end
if call('HEXISTS', K.jobs, id) == 0 then return 'unknown' end
if call('SADD', K.cancel, id) == 1 then note_transition(id, 'cancelling', 0, '') end
return 'cancelling'
