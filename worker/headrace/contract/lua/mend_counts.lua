-- Compares each facet's count with its zset; when mending also sets it, and adds what the caller has found missing
-- to the counts of tracebacks (a difference, so that letters that come and go meanwhile stay counted).
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] 'look' | 'mend', then pairs fingerprint, difference
-- RETURNS: flat list facet, counted, actual, … of the facets that were wrong
local mend = ARGV[1] == 'mend'
local wrong = {}
local counted = call('HGETALL', K.facets)
for i = 1, #counted, 2 do
  local facet, count = counted[i], tonumber(counted[i + 1])
  local actual = call('ZCARD', K['dead:' .. facet])
  if actual ~= count then
    for _, v in ipairs({facet, count, actual}) do wrong[#wrong + 1] = v end
    if mend then call('HDEL', K.facets, facet) end
    if mend and actual > 0 then call('HSET', K.facets, facet, actual) end
  end
end
if not mend then return wrong end
for i = 2, #ARGV, 2 do
  if call('HINCRBY', K.tbn, ARGV[i], ARGV[i + 1]) <= 0 then
    call('HDEL', K.tbn, ARGV[i])
    call('HDEL', K.tb, ARGV[i])
  end
end
return wrong
