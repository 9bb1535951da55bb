-- The dead letters' structures: `dead` by the µs of death, `dj` id → entry,
-- one zset per facet (task and reason), `facets` facet → count, tracebacks kept once with a count of users.
-- A `dj` value is facet NUL fingerprint NUL record.
local MAX_REASONS = 200
local CRASH_LIMIT = 5

local function facet_of(task, reason)
  local facet = task .. '|' .. reason
  if call('HEXISTS', K.facets, facet) == 0 and call('HLEN', K.facets) >= MAX_REASONS then
    facet = task .. '|other'
  end
  return facet
end

-- record: opaque msgpack written by whoever buries. fingerprint and traceback may be ''.
local function bury(id, task, reason, record, fingerprint, traceback)
  local facet = facet_of(task, reason)
  let_go({id})
  end_uniqueness(id)
  clock.us = clock.us + 1
  call('ZADD', K.dead, clock.us, id)
  call('ZADD', K['dead:' .. facet], clock.us, id)
  call('HINCRBY', K.facets, facet, 1)
  call('HSET', K.dj, id, facet .. '\0' .. fingerprint .. '\0' .. record)
  if fingerprint ~= '' then
    if call('HINCRBY', K.tbn, fingerprint, 1) == 1 then call('HSET', K.tb, fingerprint, traceback) end
  end
end

-- Takes one id out of every dead-letter structure; its envelope stays. Returns its entry of `dj` ('': it had
-- none), false when it was not dead.
local function exhume(id)
  if call('ZREM', K.dead, id) == 0 then return false end
  local packed = call('HGET', K.dj, id)
  call('HDEL', K.dj, id)
  if packed then
    local facet, fingerprint = string.match(packed, '^(%Z*)%z(%Z*)%z')
    call('ZREM', K['dead:' .. facet], id)
    if call('HINCRBY', K.facets, facet, -1) <= 0 then call('HDEL', K.facets, facet) end
    if fingerprint ~= '' and call('HINCRBY', K.tbn, fingerprint, -1) <= 0 then
      call('HDEL', K.tbn, fingerprint)
      call('HDEL', K.tb, fingerprint)
    end
  end
  return packed or ''
end
