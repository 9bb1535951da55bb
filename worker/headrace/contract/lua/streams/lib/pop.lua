-- Takes ids off the ready path, for the session in ARGV[1].

-- Entries become ids, and since when these could have run, µs. What somebody else has put into the stream is no job, and
-- would be claimed for ever.
local function append(line, entries, ids, scores)
  for _, one in ipairs(entries) do
    local entry, fields = one[1], one[2]
    if fields and fields[1] == 'id' then
      ids[#ids + 1] = fields[2]
      scores[#scores + 1] = tonumber(fields[4]) or tonumber(string.match(entry, '^%d+')) * 1000
    else
      call('XACK', K[line], GROUP, entry)
      call('XDEL', K[line], entry)
    end
  end
end

local function read_new(line, n, sid)
  local words = {'XREADGROUP', 'GROUP', GROUP, sid, 'COUNT', n, 'STREAMS', K[line], '>'}
  local found = redis.pcall(unpack(words))
  if found and found.err then
    if not string.find(found.err, 'NOGROUP', 1, true) then error(found.err) end
    call('XGROUP', 'CREATE', K[line], GROUP, '0')
    found = call(unpack(words))
  end
  return found and found[1][2] or {}
end

-- Appends the first n of a line to ids, and since when they could have run to scores.
local function pop(line, n, ids, scores)
  if n <= 0 or call('XLEN', K[line]) == 0 then return end
  local sid = ARGV[1]
  local returned = pending_of(line, RETURNED, n)
  if #returned > 0 then append(line, hand_over(line, sid, returned), ids, scores) end
  if #returned < n then append(line, read_new(line, n - #returned, sid), ids, scores) end
end
