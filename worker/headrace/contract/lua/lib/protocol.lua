-- Which protocols may meet on one queue: those that differ by SKEW at most. `meta.proto` is the highest that has ever
-- joined, so a worker that is further behind is refused; `meta.min_proto` is a floor above that, see
-- docs/decisions/0010.
local SKEW = 1
local LIMITS_SINCE = 2

local function least_protocol(min_proto, proto)
  return math.max(tonumber(min_proto) or 0, (tonumber(proto) or 0) - SKEW)
end

-- The protocol of a session, nil if it can't be read.
local function spoken_by(sid)
  return tonumber(presence_in(call('HGET', K.workers, sid))[6])
end

-- Raises the floor for something that older workers would do wrong. Not beside one of them: then its protocol is the
-- answer, and nothing has changed.
local function raise_floor(proto)
  if (tonumber(call('HGET', K.meta, 'min_proto')) or 0) >= proto then return nil end
  for _, sid in ipairs(call('ZRANGE', K.sess, 0, -1)) do
    local spoken = spoken_by(sid)
    if spoken and spoken < proto then return spoken end
  end
  call('HSET', K.meta, 'min_proto', proto)
  return nil
end
