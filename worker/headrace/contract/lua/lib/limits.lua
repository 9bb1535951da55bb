-- ready → leased | parked: claims within the limits of the queue and of each job's key. Rules are those of the claiming
-- session, by name, as its code has them: '' is the queue's own, the others are named by marks.
-- A job that its key has no room for is parked: it is looked at once, not in every exchange.
local MOST_LOOKS = 1000
local ANY = {0, 0, 0}

local function within_key(k)
  local rule = k.rule
  if rule[1] > 0 and k.running >= rule[1] then return false end
  if rule[2] == 0 then return true end
  local allowed, next_us = allowance(k.tat, rule)
  if allowed >= 1 then return true end
  k.next_us = next_us
  return false
end

-- `kt:` holds tat, the rule's name and its interval: msgpack, because it goes with the key.
local function keep_arrival(key, tat, name, rule)
  call('SET', K['kt:' .. key], cmsgpack.pack({tat, name, rule[2]}), 'PX', math.ceil((tat - clock.us) / 1000) + 1)
end

local function arrival_of(key, name, rule)
  local packed = rule[2] > 0 and call('GET', K['kt:' .. key])
  if not packed then return 0 end
  local kept = cmsgpack.unpack(packed)
  if kept[2] ~= name or kept[3] == rule[2] then return kept[1] end
  local tat = rescaled(kept[1], kept[3], rule[2])
  keep_arrival(key, math.max(tat, clock.us), name, rule)
  return tat
end

local function key_of(keys, mark, rules)
  local key, name = mark[1], mark[2]
  local rule = rules[name] or ANY
  local k = keys[key]
  if not k then
    k = {running = call('SCARD', K['kc:' .. key]), blocked = {}}
    keys[key] = k
  end
  if not k.tat and rule[2] > 0 then k.tat = arrival_of(key, name, rule) end
  k.rule, k.name = rule, name
  return k
end

local function enter(k, key, id)
  call('SADD', K['kc:' .. key], id)
  k.running = k.running + 1
  k.entered = true
  if k.rule[2] > 0 then
    k.tat = spend(k.tat, k.rule, 1)
    keep_arrival(key, k.tat, k.name, k.rule)
  end
end

local function park(key, blocked)
  call('ZADD', K['kw:' .. key], unpack(blocked))
  local ids = {}
  for i = 2, #blocked, 2 do ids[#ids + 1] = blocked[i] end
  call('SADD', K.parked, unpack(ids))
  let_go(ids)
end

-- Where jobs of a key went in and none was turned away there may be room for more: so a limit that was raised reaches
-- the parked ones, and a rate goes on.
local function let_out_more(k, key, budget)
  local waiting = call('ZCARD', K['kw:' .. key])
  if waiting == 0 or not within_key(k) then return 0 end
  local room = k.rule[1] > 0 and k.rule[1] - k.running or waiting
  if k.rule[2] > 0 then room = math.min(room, (allowance(k.tat, k.rule))) end
  return unpark(key, math.max(1, math.min(room, budget)))
end

-- Each popped id is held (appended to ids), parked, or, when there are `most` already, put back.
local function admit(popped, at, most, rules, ids, scores)
  local marks = clock.marks and #popped > 0 and marks_of(popped)
  local keys, back, back_at = {}, {}, {}
  for i, id in ipairs(popped) do
    local mark = marks and marks[i]
    local k = mark and mark[1] ~= '' and key_of(keys, mark, rules)
    if #ids >= most then
      back[#back + 1], back_at[#back_at + 1] = id, at[i]
    elseif k and not within_key(k) then
      k.blocked[#k.blocked + 1] = at[i]
      k.blocked[#k.blocked + 1] = id
    else
      if k then enter(k, mark[1], id) end
      ids[#ids + 1], scores[#scores + 1] = id, at[i]
    end
  end
  if #back > 0 then push_ready(back, back_at) end
  local budget = MOST_LOOKS
  for key, k in pairs(keys) do
    if #k.blocked > 0 then park(key, k.blocked)
    elseif k.entered then budget = math.max(0, budget - let_out_more(k, key, budget)) end
    if k.next_us then call('ZADD', K.kdue, math.ceil(k.next_us / 1000), key) end
  end
end

-- parked → ready: keys whose rate lets a job go again.
local function let_out_due()
  local due = call('ZRANGEBYSCORE', K.kdue, '-inf', clock.ms, 'LIMIT', 0, 100)
  if #due == 0 then return end
  call('ZREM', K.kdue, unpack(due))
  for _, key in ipairs(due) do unpark(key, 1) end
end

-- The queue's rate: how many may be claimed now, and from when, µs, one may.
local function queue_allowance(rule)
  return allowance(tonumber(call('HGET', K.rate, 'tat')) or 0, rule)
end

local function spend_queue(rule, n)
  local tat = spend(tonumber(call('HGET', K.rate, 'tat')) or 0, rule, n)
  call('HSET', K.rate, 'tat', tat)
end

local function claim_within(sid, n, rules, ids, scores)
  local whole = rules['']
  local most = whole and math.min(n, (queue_allowance(whole))) or n
  if most > 0 then
    local looked, popped, at = 0, {}, {}
    if claim_suspect(sid, popped, at) then
      admit(popped, at, most, rules, ids, scores)
    else
      repeat
        popped, at = {}, {}
        claim_ready(math.min(math.max(most - #ids, looked), MOST_LOOKS - looked), popped, at)
        admit(popped, at, most, rules, ids, scores)
        looked = looked + #popped
      until #popped == 0 or #ids >= most or looked >= MOST_LOOKS
    end
  end
  if whole and #ids > 0 then spend_queue(whole, #ids) end
end

-- When this session, which got nothing, should ask again: a key's rate or the queue's lets one go, or, now, more is
-- ready than one call may look at. -1: nothing of that kind.
local function next_look_ms(sid, status, rules)
  local head = clock.marks and call('ZRANGE', K.kdue, 0, 0, 'WITHSCORES')[2]
  local soonest = tonumber(head or -1)
  if status ~= 'OK' or clock.alone == sid or ready_count() == ready_in('suspects') then return soonest end
  local ready_ms = clock.ms
  if rules[''] then
    local _, next_us = queue_allowance(rules[''])
    ready_ms = math.max(ready_ms, math.ceil(next_us / 1000))
  end
  return soonest < 0 and ready_ms or math.min(soonest, ready_ms)
end
