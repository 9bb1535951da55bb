-- The rules by which a queue's jobs are held back, as whoever joined last has them: the queue's own rate is kept where
-- reads find it, and what waits under other rules is looked at anew.
local MOST_KEYS = 1000

local function keep_rate(rule)
  if not rule or rule[2] == 0 then
    call('HDEL', K.rate, 'interval', 'burst')
    return
  end
  local kept = call('HMGET', K.rate, 'tat', 'interval')
  local tat = rescaled(tonumber(kept[1]) or 0, tonumber(kept[2]) or rule[2], rule[2])
  tat = math.min(tat, clock.us + rule[3] * rule[2])
  call('HSET', K.rate, 'tat', tat, 'interval', rule[2], 'burst', rule[3])
end

-- Only keys that a rate holds back can be let out by another; of those the ones that would wait longest.
local function look_anew()
  local keys = call('ZREVRANGE', K.kdue, 0, MOST_KEYS - 1)
  for _, key in ipairs(keys) do call('ZADD', K.kdue, 'LT', clock.ms, key) end
end

-- packed: the rules of a session that joins, '' for none
local function take_rules(packed)
  if packed == (call('HGET', K.rate, 'rules') or '') then return end
  if packed ~= '' then call('HSET', K.rate, 'rules', packed) else call('HDEL', K.rate, 'rules') end
  keep_rate(packed ~= '' and cmsgpack.unpack(packed)[''] or nil)
  look_anew()
end
