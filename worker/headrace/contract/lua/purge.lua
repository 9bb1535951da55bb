-- ready | scheduled → done (cancelled), up to n jobs a call, by the owner's wish. Running and dead jobs stay, and so do the
-- planned ticks of periodic tasks: without them nothing would wake a fleet at zero for the next.
--@include keys, forget
-- KEYS: [1] the queue's prefix
-- ARGV: [1] n, 1..1000
-- RETURNS: how many were removed
local left = tonumber(ARGV[1])
local removed = {}

local standing = {}
local ticks = call('HGETALL', K.ticks)
for i = 1, #ticks, 2 do standing['tick:' .. ticks[i] .. ':' .. string.match(ticks[i + 1], '^%d*')] = true end

for _, name in ipairs({'suspects', 'ready:low', 'ready:default', 'ready:high', 'sched'}) do
  if left > 0 then
    local popped = call('ZPOPMIN', K[name], left)
    for i = 1, #popped, 2 do
      if name == 'sched' and standing[popped[i]] then
        call('ZADD', K.sched, popped[i + 1], popped[i])
      else
        removed[#removed + 1] = popped[i]
      end
    end
    left = left - #popped / 2
  end
end
if #removed > 0 then
  forget(removed)
  call('HINCRBY', K.count, 'cancelled', #removed)
end
return #removed
