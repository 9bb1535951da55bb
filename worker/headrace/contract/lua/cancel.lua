-- ready | scheduled | parked | awaiting → done (cancelled); leased → leased, its worker told. Dead and done are final.
--@include keys, clock, ready, lines, marks, endings, gates, forget, presence, transitions, calling_off
-- KEYS: [1] the queue's prefix
-- ARGV: [1] id, [2] keep_ms (how long the caller wants it remembered that it was called off; '': what its task says)
-- RETURNS: 'cancelled' | 'cancelling' (running: its worker stops it) | 'dead' | 'unknown'
local outcome = call_off_one(ARGV[1], ARGV[2] ~= '' and ARGV[2] or nil)
if herald then herald.announce() end
return outcome
