-- leased → done | scheduled | ready | dead. A settlement counts only when this session still holds the job under
-- the very claim it names; any other is stale: refused, counted, told to the caller.

-- Splits ids into those held under `claim` and those that are not (appended to stale).
local function held_under(own, claim, ids, stale)
  local claims = call('HMGET', own, unpack(ids))
  local held, missed = ids, false
  for i = 1, #ids do if claims[i] ~= claim then missed = true end end
  if missed then
    held = {}
    for i, id in ipairs(ids) do
      if claims[i] == claim then held[#held + 1] = id else stale[#stale + 1] = id end
    end
  end
  return held
end

local function settle_done(own, stale)
  local done, at = 0, 9
  for _ = 1, tonumber(ARGV[8]) do
    local claim, count = ARGV[at], tonumber(ARGV[at + 1])
    local ids = held_under(own, claim, {unpack(ARGV, at + 2, at + 1 + count)}, stale)
    if #ids > 0 then
      done = done + call('HDEL', own, unpack(ids))
      forget(ids)
    end
    at = at + 2 + count
  end
  return done
end

local function count_version(version, outcomes, service_us)
  local prefix = version .. ':'
  if outcomes.completed > 0 then call('HINCRBY', K.versions, prefix .. 'completed', outcomes.completed) end
  local failed = outcomes.failed + outcomes.dead
  if failed > 0 then call('HINCRBY', K.versions, prefix .. 'failed', failed) end
  if outcomes.dead > 0 then call('HINCRBY', K.versions, prefix .. 'dead', outcomes.dead) end
  if service_us > 0 then call('HINCRBY', K.versions, prefix .. 'service_us', service_us) end
end

-- others: the unpacked settlements that are not plain done; settle_others: see lib/others. Returns the ids whose settlement
-- was refused.
local function settle_all(own, version, others, settle_others)
  local stale = {}
  local outcomes = {completed = settle_done(own, stale), failed = 0, dead = 0, released = 0, cancelled = 0}
  if #others > 0 then settle_others(own, version, others, stale, outcomes) end
  count_version(version, outcomes, tonumber(ARGV[7]))
  if #stale > 0 then call('HINCRBY', K.count, 'stale', #stale) end
  return stale
end
