-- Wakes who waits for work: idle workers by tokens, the operator of a sleeping queue by its channel.

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
