-- Reads dead letters in order of death: all, or those of a task, of a reason, or of both; writes nothing. Its cost goes
-- with the letters it returns and the facets they are of, never with the letters that there are.
--@include keys, facets
-- KEYS: [1] the queue's prefix
-- ARGV: [1] task, [2] reason ('': any, else `=` and its name), [3] first and [4] last time of death (as ZRANGEBYSCORE
--       takes them), [5] limit, 1..1000, [6] 'oldest' or 'newest' first, [7] 'entries' or 'ids'
-- RETURNS: {ids, times of death, entries of `dj` (none for 'ids')}
local first, last, limit, newest = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == 'newest'
local LEAST = 10

local function zsets_wanted()
  if ARGV[1] == '' and ARGV[2] == '' then return {K.dead} end
  local wanted = {}
  each_facet(ARGV[1], ARGV[2], function(zset) wanted[#wanted + 1] = zset end)
  return wanted
end

-- A column is what has been read of one zset: flat ids and times, and how far they are used. False at its end.
local function read_on(column)
  local command = newest and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
  local found = call(command, column.zset, column.from, newest and first or last, 'WITHSCORES', 'LIMIT', 0, column.n)
  if #found == 0 then return false end
  column.found, column.at, column.died = found, 1, tonumber(found[2])
  return true
end

-- A zset that has more than its share of the page is read twice as far each time.
local function step(column)
  column.at = column.at + 2
  if column.at < #column.found then
    column.died = tonumber(column.found[column.at + 1])
    return true
  end
  if #column.found < 2 * column.n then return false end
  column.from = '(' .. column.found[#column.found]
  column.n = math.min(2 * column.n, limit)
  return read_on(column)
end

-- Columns stand in the order of their next letter.
local function insert(columns, column)
  local low, high = 1, #columns + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local before = columns[middle].died < column.died
    if newest then before = not before end
    if before then low = middle + 1 else high = middle end
  end
  table.insert(columns, low, column)
end

local columns, zsets = {}, zsets_wanted()
for _, zset in ipairs(zsets) do
  local column = {zset = zset, from = newest and last or first, n = math.max(LEAST, math.floor(limit / #zsets))}
  if read_on(column) then insert(columns, column) end
end
local ids, times = {}, {}
while columns[1] and #ids < limit do
  local column = table.remove(columns, 1)
  ids[#ids + 1], times[#times + 1] = column.found[column.at], column.found[column.at + 1]
  if step(column) then insert(columns, column) end
end
return {ids, times, ARGV[7] == 'entries' and #ids > 0 and call('HMGET', K.dj, unpack(ids)) or {}}
