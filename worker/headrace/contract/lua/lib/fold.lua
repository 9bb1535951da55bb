-- What the workers of a version have done is kept apart as long as it may matter: for versions with a live session, those
-- on trial, and the KEPT_VERSIONS that were seen last. What older ones have done is added up under FOLDED, so that
-- totals only grow. Versions that sessions of an earlier release have counted are taken as seen just before.
local KEPT_VERSIONS, COUNTERS, FOLDED = 20, 6, '*'

local function version_counted(field)
  return string.match(field, '^(.*):[^:]*$')
end

local function needed_versions()
  local needed = {}
  for _, presence in ipairs(call('HVALS', K.workers)) do needed[version_in(presence)] = true end
  for version in string.gmatch(clock.trial or '', '%S+') do needed[version] = true end
  return needed
end

local function take_oldest()
  local needed, taken, some = needed_versions(), {}, false
  for _, version in ipairs(call('ZRANGE', K.seen, 0, -KEPT_VERSIONS - 1)) do
    if not needed[version] then
      call('ZREM', K.seen, version)
      taken[version], some = true, true
    end
  end
  return some and taken
end

local function fold_versions()
  local fields = call('HLEN', K.versions)
  if fields <= (KEPT_VERSIONS + 1) * COUNTERS and call('ZCARD', K.seen) <= KEPT_VERSIONS then return end
  local counted = call('HGETALL', K.versions)
  for i = 1, #counted, 2 do
    local version = version_counted(counted[i])
    if version ~= FOLDED then call('ZADD', K.seen, 'NX', clock.ms - 1, version) end
  end
  local folded = take_oldest()
  for i = 1, folded and #counted or 0, 2 do
    if folded[version_counted(counted[i])] then
      call('HINCRBY', K.versions, FOLDED .. string.match(counted[i], ':[^:]*$'), counted[i + 1])
      call('HDEL', K.versions, counted[i])
    end
  end
end
