-- Jobs that wait for others of their workflow. `awaiting` holds id → 'gate at_ms delay_ms', `feeds` id → 'gate place'.
-- A gate is `gate:<gate>`: left (how many have yet to come), many (places of its list, 0: one result, no list), limit (bytes
-- of results, -1: nobody wants them), size (bytes so far), starts (msgpack list of ids that wait at it), into ('gate place'
-- that its list goes to, or ''), and per place w<place> (who has yet to come: 'j<id>', or 'g<gate>' of an inner one) or
-- r<place> (its result). Only jobs that are done open a gate (lib/feed); here is what becomes of those that never will.
local known_gates

-- The functions are made when the first is called: making them costs more than a call that needs none.
local function gates()
  if known_gates then return known_gates end
  local gates = {}
  known_gates = gates

  local function unfeed(id, closing)
    local feed = call('HGET', K.feeds, id)
    if not feed then return end
    call('HDEL', K.feeds, id)
    closing[#closing + 1] = string.match(feed, '^%S+')
  end

  function gates.waits_at(id, gate)
    local waits = call('HGET', K.awaiting, id)
    return waits and string.match(waits, '^%S+') == gate
  end

  -- Whether anybody would be started, or told, if it opened.
  function gates.needed(gate)
    local of = call('HMGET', K['gate:' .. gate], 'starts', 'into')
    if not of[1] then return false end
    if of[2] ~= '' and call('EXISTS', K['gate:' .. string.match(of[2], '^%S+')]) == 1 then return true end
    for _, id in ipairs(cmsgpack.unpack(of[1])) do
      if gates.waits_at(id, gate) then return true end
    end
    return false
  end

  local function leave_gate(id, closing)
    local waits = call('HGET', K.awaiting, id)
    if not waits then return end
    call('HDEL', K.awaiting, id)
    local gate = string.match(waits, '^%S+')
    if not gates.needed(gate) then closing[#closing + 1] = gate end
  end

  local function give_up(id)
    note_end(id, 'cancelled')
    drop_marks({id})
    call('HDEL', K.awaiting, id)
    call('HDEL', K.jobs, id)
    call('HDEL', K.prio, id)
    call('HINCRBY', K.count, 'cancelled', 1)
  end

  -- Calls off what waits there; those it has waited for go on, and their results go nowhere. Returns how many jobs.
  local function close(gate, closing)
    local fields, ended = call('HGETALL', K['gate:' .. gate]), 0
    call('UNLINK', K['gate:' .. gate])
    for i = 1, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      if name == 'into' then closing[#closing + 1] = string.match(value, '^%S+')
      elseif name == 'starts' then
        for _, id in ipairs(cmsgpack.unpack(value)) do
          if gates.waits_at(id, gate) then
            give_up(id)
            unfeed(id, closing)
            ended = ended + 1
          end
        end
      elseif string.find(name, '^w%d') then
        if string.sub(value, 1, 1) == 'g' then closing[#closing + 1] = string.sub(value, 2)
        else call('HDEL', K.feeds, string.sub(value, 2)) end
      end
    end
    return ended
  end

  function gates.close(closing)
    local ended = 0
    while #closing > 0 do ended = ended + close(table.remove(closing), closing) end
    return ended
  end

  -- Of ids that have ended without being done, and will never be: whatever waits for them is called off, too. Returns how
  -- many jobs that were.
  function gates.cut(ids)
    if call('EXISTS', K.feeds, K.awaiting) == 0 then return 0 end
    local closing = {}
    for _, id in ipairs(ids) do
      leave_gate(id, closing)
      unfeed(id, closing)
    end
    return gates.close(closing)
  end
  return gates
end
