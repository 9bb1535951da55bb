-- The queue's clock: Redis TIME, never behind what the queue has already seen (`meta.tick`, µs).
-- After a gap of half a lease (Redis was away, or nobody was here) no lease expires for one whole lease:
-- an outage must not look like the death of every worker.
local clock = {}

-- May be given one more field of `meta`, which it returns.
local function read_clock(...)
  local t = call('TIME')
  local meta = call('HMGET', K.meta, 'tick', 'lease', 'reap_after', 'paused', 'asleep', 'alone', 'trial', 'trial_until',
    'marks', ...)
  local us = t[1] * 1000000 + t[2]
  local tick = tonumber(meta[1]) or us
  local lease = tonumber(meta[2]) or 30000
  clock.gap = us - tick > lease * 500
  if us <= tick then us = tick + 1 end
  clock.us = us
  clock.ms = math.floor(us / 1000)
  clock.lease = lease
  clock.reap_after = tonumber(meta[3]) or 0
  if clock.gap then clock.reap_after = clock.ms + lease end
  clock.paused = meta[4] == '1'
  clock.asleep = meta[5] == '1'
  clock.alone = meta[6]
  clock.trial_left = (tonumber(meta[8]) or 0) - clock.ms
  clock.trial = clock.trial_left > 0 and meta[7] or false
  clock.marks = meta[9] == '1'
  return ... and meta[#meta]
end

-- Numbers go to redis.call as they are: it prints 17 digits, where `..` would cut them to 14.
local function save_clock()
  if clock.gap then
    call('HSET', K.meta, 'tick', clock.us, 'reap_after', clock.reap_after)
  else
    call('HSET', K.meta, 'tick', clock.us)
  end
end
