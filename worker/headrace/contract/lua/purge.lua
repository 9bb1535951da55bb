-- parked | ready | scheduled → done (cancelled), up to n jobs a call, by the owner's wish, and what waits for them.
-- Running and dead jobs stay, and what waits for those.
--@include keys, clock, ready, marks, endings, gates, forget, ticks
-- KEYS: [1] the queue's prefix
-- ARGV: [1] n, 1..1000
-- RETURNS: how many were removed
local MOST_OF_WORKFLOWS = 100
local left = tonumber(ARGV[1])
if call('EXISTS', K.awaiting) == 1 then left = math.min(left, MOST_OF_WORKFLOWS) end
local waiting = {}
-- first the parked ones: none of them must become ready just to be removed
local parked = call('SPOP', K.parked, left)
left = left - #parked
for _, name in ipairs({'suspects', 'ready:low', 'ready:default', 'ready:high', 'sched'}) do
  if left > 0 then
    local popped = call('ZPOPMIN', K[name], left)
    for i = 1, #popped, 2 do waiting[#waiting + 1] = popped[i] end
    left = left - #popped / 2
  end
end
-- Planned ticks stay: they are the schedule, and what wakes a fleet at zero.
local removed = leave_ticks(parked, function(id) call('SADD', K.parked, id) end)
for _, id in ipairs(leave_ticks(waiting, function(id, due) call('ZADD', K.sched, due, id) end)) do
  removed[#removed + 1] = id
end
local called_off = 0
if #removed > 0 then
  local let_out
  let_out, called_off = call_off(removed)
  rouse(let_out) -- a planned tick that waited for its key, say
end
if herald then herald.announce() end
return #removed + called_off
