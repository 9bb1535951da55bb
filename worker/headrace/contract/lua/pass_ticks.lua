-- Ticks of a Schedule up to this one come to nothing: they are missed. Once, however many operators say so.
--@include keys, clock, recurring
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid, [2] tick, Unix ms, [3] how many are missed, [4] the standing that this was decided on, see lib/recurring
-- RETURNS: {'skipped' | 'already' | 'stale' (see fire_tick), '', {}, the record as it is now}
read_clock()
local uid, record = ARGV[1], K['schedule:' .. ARGV[1]]
local standing, last, suspended = standing_of(uid)
if last and tonumber(ARGV[2]) <= last then return {'already', '', {}, described(uid)} end
if standing == '' or suspended or standing ~= ARGV[4] then return {'stale', '', {}, described(uid)} end
call('HSET', record, 'last', ARGV[2])
call('HINCRBY', record, 'missed', ARGV[3])
save_clock()
return {'skipped', '', {}, described(uid)}
