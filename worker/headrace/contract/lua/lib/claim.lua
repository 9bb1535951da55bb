-- ready → leased: takes up to n ids, shared over the priorities 6 : 3 : 1 with the remainder carried over,
-- so that no priority starves however small the batches are.
local WEIGHT = {high = 6, default = 3, low = 1}

-- The priority that still has ids and is owed the most, nil when all are exhausted.
local function most_owed(owed, take, waiting)
  local best
  for _, p in ipairs(PRIORITIES) do
    if waiting[p] and take[p] < waiting[p] and (not best or owed[p] > owed[best]) then best = p end
  end
  return best
end

-- The remainder is carried over, one job at most: what one priority took because another had nothing is no debt,
-- and a priority that has run empty saves nothing up.
local function carry_over(owed, take, waiting)
  local credits = {}
  for p in pairs(waiting) do
    local credit = take[p] == waiting[p] and 0 or math.max(-1, math.min(owed[p], 1))
    credits[#credits + 1] = p
    credits[#credits + 1] = string.format('%.6f', credit)
  end
  call('HSET', K.credit, unpack(credits))
end

local function shares(n, waiting)
  local credits = call('HMGET', K.credit, unpack(PRIORITIES))
  local total, left = 0, n
  for p in pairs(waiting) do total = total + WEIGHT[p] end
  local owed, take = {}, {}
  for i, p in ipairs(PRIORITIES) do
    if waiting[p] then
      owed[p] = (tonumber(credits[i]) or 0) + n * WEIGHT[p] / total
      take[p] = math.max(0, math.min(math.floor(owed[p]), waiting[p], left))
      owed[p] = owed[p] - take[p]
      left = left - take[p]
    end
  end
  while left > 0 do
    local p = most_owed(owed, take, waiting)
    if not p then break end
    take[p] = take[p] + 1
    owed[p] = owed[p] - 1
    left = left - 1
  end
  carry_over(owed, take, waiting)
  return take
end

local function claim_ready(n, ids, scores)
  if common then return pop('ready:default', n, ids, scores) end
  local waiting, kinds, only = {}, 0, nil
  for _, p in ipairs(PRIORITIES) do
    local count = ready_in('ready:' .. p)
    if count > 0 then waiting[p] = count; kinds = kinds + 1; only = p end
  end
  if kinds == 0 then return end
  if kinds == 1 then return pop('ready:' .. only, n, ids, scores) end
  local take = shares(n, waiting)
  for _, p in ipairs(PRIORITIES) do
    if take[p] then pop('ready:' .. p, take[p], ids, scores) end
  end
end

local function set_apart(sid)
  if sid then call('HSET', K.meta, 'alone', sid) else call('HDEL', K.meta, 'alone') end
  clock.alone = sid
end

-- A suspect (a job that has seen its worker die) runs alone: one session is set apart for it, gets nothing
-- more until its own jobs are settled, then gets the suspect by itself. True when this session is that one.
local function claim_suspect(sid, ids, scores)
  if clock.alone and clock.alone ~= sid and call('ZSCORE', K.sess, clock.alone) then return false end
  if common or ready_in('suspects') == 0 then
    if clock.alone ~= sid then return false end
    if call('HLEN', K['own:' .. sid]) > 0 then return true end
    set_apart(false)
    return false
  end
  set_apart(sid)
  if call('HLEN', K['own:' .. sid]) == 0 then pop('suspects', 1, ids, scores) end
  return true
end

-- The session set apart makes room for another when it will claim no more, but not while a suspect may run in it.
local function give_up_apart(sid, claims, quiet)
  if clock.alone ~= sid then return end
  if quiet or (not claims and call('HLEN', K['own:' .. sid]) == 0) then set_apart(false) end
end
