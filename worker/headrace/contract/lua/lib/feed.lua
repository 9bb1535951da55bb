-- leased → done of a job that a gate waits for (see lib/gates), and awaiting → ready | scheduled of those that it starts: in
-- one step with the settlement, {'pass', id, claim, result, ttl_ms, task, most results of that task, attempts}.
-- What a started job is given becomes the end of its value, see envelope.py.
local TAKES = 4
local known_feeding

local function feeding()
  if known_feeding then return known_feeding end
  local feeding = {}
  known_feeding = feeding

  local function gate_fed_by(id)
    return string.match(call('HGET', K.feeds, id) or '', '^(%S+) (%d+)$')
  end

  -- The gates whose list so many bytes would become part of: {key, limit, size, many}
  local function outwards(gate)
    local found = {}
    while gate do
      local key = K['gate:' .. gate]
      local of = call('HMGET', key, 'limit', 'size', 'many', 'into')
      if not of[1] then break end
      found[#found + 1] = {key, tonumber(of[1]), tonumber(of[2]), tonumber(of[3])}
      gate = string.match(of[4], '^%S+')
    end
    return found
  end

  local function list_of(key, count, place, result)
    local names = {}
    for i = 1, count do names[i] = 'r' .. (i - 1) end
    local results = call('HMGET', key, unpack(names))
    results[place + 1] = result
    local head = count < 16 and string.char(144 + count)
      or '\220' .. string.char(math.floor(count / 256), count % 256)
    return head .. table.concat(results)
  end

  local function start_one(id, gate, given)
    local of, at, delay = string.match(call('HGET', K.awaiting, id) or '', '^(%S+) (%d+) (%d+)$')
    if of ~= gate then return false end
    call('HDEL', K.awaiting, id)
    local value = call('HGET', K.jobs, id)
    if not value then
      gates().cut({id})
      return false
    end
    if string.byte(value, 5 + string.byte(value, 4)) >= TAKES then call('HSET', K.jobs, id, value .. given) end
    local due = tonumber(delay) > 0 and clock.ms + tonumber(delay) or tonumber(at)
    if due <= clock.ms then return true end
    schedule(id, due)
    return false
  end

  local function start(gate, ids, given)
    local ready, scores = {}, {}
    for _, id in ipairs(ids) do
      if start_one(id, gate, given) then
        clock.us = clock.us + 1
        ready[#ready + 1] = id
        scores[#scores + 1] = clock.us
      end
    end
    if #ready > 0 then push_ready(ready, scores) end
  end

  local function arrive(gate, place, result)
    local key = K['gate:' .. gate]
    local of = call('HMGET', key, 'left', 'many', 'limit', 'starts', 'into')
    if not of[1] then return end
    local many, wanted = tonumber(of[2]), of[3] ~= '-1'
    if tonumber(of[1]) > 1 then
      call('HDEL', key, 'w' .. place)
      call('HINCRBY', key, 'left', -1)
      if wanted then call('HSET', key, 'r' .. place, result) end
      return
    end
    if wanted and many > 0 then result = list_of(key, many, tonumber(place), result) end
    call('UNLINK', key)
    start(gate, cmsgpack.unpack(of[4]), wanted and result or '')
    local into, at = string.match(of[5], '^(%S+) (%d+)$')
    if into then arrive(into, at, result) end
  end

  -- A result that would make a list larger than whoever gets it may have kills the job, as one that can't be encoded does.
  function feeding.checked(s)
    local bytes = #s[4]
    for _, gate in ipairs(outwards(gate_fed_by(s[2]))) do
      if gate[2] >= 0 and gate[3] + bytes > gate[2] then
        local message = 'its result of ' .. bytes .. ' bytes is more than what follows it may be given: '
          .. gate[2] .. ' bytes, of which others have taken ' .. gate[3]
        local record = cmsgpack.pack({message, s[8], 0, ''})
        return {'bury', s[2], s[3], s[6], 'ResultsTooLarge', record, '', '', s[8]}
      end
    end
    return s
  end

  -- Of a job that is forgotten by now, with its result.
  function feeding.pass(s)
    if s[5] > 0 then keep_result(s[2], s[4], s[5], s[6], s[7]) end
    local gate, place = gate_fed_by(s[2])
    if not gate then return end
    call('HDEL', K.feeds, s[2])
    for _, outer in ipairs(outwards(gate)) do
      if outer[2] >= 0 and outer[4] > 0 then call('HINCRBY', outer[1], 'size', #s[4]) end
    end
    arrive(gate, place, s[4])
  end
  return feeding
end
