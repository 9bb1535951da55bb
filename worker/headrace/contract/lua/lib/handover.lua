-- What an exchange hands to its worker: ids under their claim with their values; and a wake token for what is left.

-- Ids whose envelope is missing are dropped from everywhere: they can be neither run nor settled.
local function values_of(own, ids, scores)
  local values = call('HMGET', K.jobs, unpack(ids))
  local complete = true
  for i = 1, #ids do if not values[i] then complete = false end end
  if complete then return ids, values, scores end
  local kept_ids, kept_values, kept_scores = {}, {}, {}
  for i, id in ipairs(ids) do
    if values[i] then
      kept_ids[#kept_ids + 1] = id
      kept_values[#kept_values + 1] = values[i]
      kept_scores[#kept_scores + 1] = scores[i]
    else
      call('HDEL', own, id)
      let_go({id})
      drop_marks({id})
      gates().cut({id})
      call('HDEL', K.prio, id)
      call('HDEL', K.crash, id)
      call('HDEL', K.trail, id)
      call('SREM', K.cancel, id)
    end
  end
  return kept_ids, kept_values, kept_scores
end

local function hold(own, claim, ids)
  local held = {}
  for i, id in ipairs(ids) do
    held[2 * i - 1] = id
    held[2 * i] = claim
  end
  call('HSET', own, unpack(held))
end

local function held_since(own, claim)
  local ids, scores = {}, {}
  local held = call('HGETALL', own)
  for i = 1, #held, 2 do
    if held[i + 1] == claim then
      ids[#ids + 1] = held[i]
      scores[#scores + 1] = clock.us
    end
  end
  return ids, scores
end

local function crashes_of(ids)
  if #ids == 0 or common or call('HLEN', K.crash) == 0 then return {} end
  local crashes = call('HMGET', K.crash, unpack(ids))
  for i = 1, #ids do crashes[i] = tonumber(crashes[i]) or 0 end
  return crashes
end

local function cancelled_among(own)
  if common or call('SCARD', K.cancel) == 0 then return {} end
  local mine = {}
  for _, id in ipairs(call('SMEMBERS', K.cancel)) do
    if call('HEXISTS', own, id) == 1 then mine[#mine + 1] = id end
  end
  return mine
end

local function next_due_ms()
  local head = call('ZRANGE', K.sched, 0, 0, 'WITHSCORES')
  return head[2] and tonumber(head[2]) or -1
end

-- Wakes one idle worker for work that this session leaves lying; that one wakes the next. It repairs tokens lost
-- with a dead worker. Suspects wait for the session set apart, so they count only when there is none.
local function pass_on()
  if call('SCARD', K.idle) == 0 or call('LLEN', K.wake) > 0 then return end
  local left = ready_count()
  if clock.alone then left = left - ready_in('suspects') end
  if left > 0 then call('RPUSH', K.wake, '1') end
end
