-- Puts ids on the ready path: a zset per priority, scored by the µs since which the job could have run.
-- Jobs of default priority that never crashed a worker pay for neither look-up.
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

local function ready_count()
  local total = call('ZCARD', K.suspects)
  for _, p in ipairs(PRIORITIES) do total = total + call('ZCARD', K['ready:' .. p]) end
  return total
end

-- One wake token per idle worker that could now get a job; tokens still lying there count.
local function wake(new)
  local idle = call('SCARD', K.idle)
  if idle == 0 then return end
  local tokens = math.min(new, idle) - call('LLEN', K.wake)
  for _ = 1, tokens do call('RPUSH', K.wake, '1') end
end

-- Tells the operator that a sleeping queue has work. Once: the flag goes with it. A refused PUBLISH
-- (an ACL without channels) fails nobody; the operator polls as well.
local function signal()
  if clock.asleep then
    call('HDEL', K.meta, 'asleep')
    redis.pcall('PUBLISH', K.signal, '1')
  end
end

-- So many jobs have become ready: idle workers and a sleeping queue's operator hear of it.
local function rouse(count)
  if count == 0 then return end
  if not clock.us then read_clock() end
  wake(count)
  signal()
end
