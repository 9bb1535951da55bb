-- The ready path: a zset per line, scored by the µs since which the job could have run. Another broker's may be something
-- else behind the same functions: streams/lib/ready.lua.
--@include wake, lines

local function key_of_line(line)
  return K[line == 'suspects' and line or 'ready:' .. line]
end

-- ids: 1..1000 of them, their envelopes already in `jobs`.
local function push_ready(ids, scores)
  local groups = {}
  for i, line in ipairs(lines_of(ids)) do
    local group = groups[line]
    if not group then group = {}; groups[line] = group end
    group[#group + 1] = scores[i]
    group[#group + 1] = ids[i]
  end
  for line, group in pairs(groups) do call('ZADD', key_of_line(line), unpack(group)) end
end

-- The n plain jobs of an enqueue: new, of default priority, n pairs of id and value from ARGV[first] on.
local function push_plain(first, n)
  local scored = {}
  local us = clock.us
  for i = 1, n do
    scored[2 * i - 1] = us + i
    scored[2 * i] = ARGV[first + 2 * i - 2]
  end
  clock.us = us + n
  call('ZADD', K['ready:default'], unpack(scored))
end

-- Appends the first n of a line to ids, and since when they could have run to scores: for the session in ARGV[1].
local function pop(line, n, ids, scores)
  if n <= 0 then return end
  local popped = call('ZPOPMIN', key_of_line(line), n)
  for i = 1, #popped, 2 do
    ids[#ids + 1] = popped[i]
    scores[#scores + 1] = popped[i + 1]
  end
end

-- What was popped and is not ready again leaves the ready path: zsets keep nothing of it.
local function let_go() end

-- A session is gone, and all it held has found its place: zsets know of no session.
local function dismiss() end

-- How many of these one id were ready: 0 or 1.
local function take_ready(id)
  local taken = 0
  for _, line in ipairs(LINES) do taken = taken + call('ZREM', key_of_line(line), id) end
  return taken
end

local function ready_in(line)
  return call('ZCARD', key_of_line(line))
end

local function ready_count()
  local total = 0
  for _, line in ipairs(LINES) do total = total + ready_in(line) end
  return total
end

-- Since when its first job could have run, µs; nil when the line is empty.
local function oldest_in(line)
  return tonumber(call('ZRANGE', key_of_line(line), 0, 0, 'WITHSCORES')[2])
end

-- How to look for ids there, for lib/places.
local function ready_structures()
  local list = {{'suspects', 'ZMSCORE', K.suspects, false}}
  for _, p in ipairs(PRIORITIES) do list[#list + 1] = {'ready', 'ZMSCORE', key_of_line(p), false} end
  return list
end
