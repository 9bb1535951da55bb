-- parked | ready | scheduled → done (cancelled), up to n jobs a call, by the owner's wish. Running and dead jobs stay.
--@include keys, clock, ready, marks, forget
-- KEYS: [1] the queue's prefix
-- ARGV: [1] n, 1..1000
-- RETURNS: how many were removed
local left = tonumber(ARGV[1])
local removed = call('SPOP', K.parked, left) -- first: a parked job must not become ready just to be removed
left = left - #removed
for _, name in ipairs({'suspects', 'ready:low', 'ready:default', 'ready:high', 'sched'}) do
  if left > 0 then
    local popped = call('ZPOPMIN', K[name], left)
    for i = 1, #popped, 2 do removed[#removed + 1] = popped[i] end
    left = left - #popped / 2
  end
end
if #removed > 0 then
  forget(removed)
  call('HINCRBY', K.count, 'cancelled', #removed)
end
return #removed
