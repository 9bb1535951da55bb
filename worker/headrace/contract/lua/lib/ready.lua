-- The ready path: a zset per priority, scored by the µs since which the job could have run. Streams have another, behind the
-- same functions (streams/lib): of this file, pop, plain, dismiss and lines.
-- Jobs of default priority that never crashed a worker pay for neither look-up.
--@include wake
local SUSPECT_AFTER = 2
local common = false -- true: there is nothing of what few queues have (see exchange), so nobody need look for it

local function group_by_target(ids, scores)
  local groups = {}
  local ranked = not common and call('HLEN', K.prio) > 0 and call('HMGET', K.prio, unpack(ids))
  local crashed = not common and call('HLEN', K.crash) > 0 and call('HMGET', K.crash, unpack(ids))
  for i, id in ipairs(ids) do
    local target = 'ready:' .. (ranked and ranked[i] or 'default')
    if crashed and (tonumber(crashed[i]) or 0) >= SUSPECT_AFTER then target = 'suspects' end
    local group = groups[target]
    if not group then group = {}; groups[target] = group end
    group[#group + 1] = scores[i]
    group[#group + 1] = id
  end
  return groups
end

-- ids: 1..1000 of them, their envelopes already in `jobs`.
local function push_ready(ids, scores)
  for target, group in pairs(group_by_target(ids, scores)) do
    call('ZADD', K[target], unpack(group))
  end
end

-- What was popped and is not ready again leaves the ready path: zsets keep nothing of it.
local function let_go() end

local function ready_in(line)
  return call('ZCARD', K[line])
end
--@include count
