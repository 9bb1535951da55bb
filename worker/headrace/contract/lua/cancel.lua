-- ready | scheduled | parked | awaiting → done (cancelled); leased → leased, its worker told. Dead and done are final.
--@include keys, clock, ready, marks, endings, gates
-- KEYS: [1] the queue's prefix
-- ARGV: [1] id, [2] keep_ms (how long the caller wants it remembered that it was called off; '': what its task says)
-- RETURNS: 'cancelled' | 'cancelling' (running: its worker stops it) | 'dead' | 'unknown'
local id = ARGV[1]
local removed = call('ZREM', K.sched, id) + call('SREM', K.parked, id) + call('HEXISTS', K.awaiting, id) + take_ready(id)
if removed > 0 then
  note_end(id, 'cancelled', ARGV[2] ~= '' and ARGV[2] or nil)
  call('HDEL', K.jobs, id)
  if drop_marks({id}) > 0 then
    read_clock()
    wake(1)
    signal()
  end
  call('HDEL', K.prio, id)
  call('HDEL', K.crash, id)
  gates().cut({id})
  call('HINCRBY', K.count, 'cancelled', 1)
  if herald then herald.announce() end
  return 'cancelled'
end
if call('ZSCORE', K.dead, id) then return 'dead' end
if call('HEXISTS', K.jobs, id) == 0 then return 'unknown' end
call('SADD', K.cancel, id)
return 'cancelling'
