-- New jobs of workflows, in enqueue.lua's form: s[12] is {gate it waits at or '', gate it feeds or '', its place there,
-- gates to be made: {gate, many, limit, starts, into, who has yet to come}, …}. What gates are: lib/gates.
local WORKFLOWS_SINCE = 2

-- Older workers would forget a result that others wait for: the first workflow of a queue raises its floor. Beside such a
-- worker nothing changes, and what is returned is the error.
local function refuse_workflows(specials)
  for _, s in ipairs(specials) do
    if s[12] then
      local older = raise_floor(WORKFLOWS_SINCE)
      return older and redis.error_reply('UPGRADE a worker of this queue speaks protocol ' .. older
        .. ', workflows need ' .. WORKFLOWS_SINCE .. ': upgrade the workers first; nothing was enqueued')
    end
  end
end

local function make_gate(gate, many, limit, starts, into, waits)
  local fields = {
    'left', #waits, 'many', many, 'limit', limit, 'size', 0, 'starts', cmsgpack.pack(starts), 'into', into,
  }
  for i, who in ipairs(waits) do
    fields[#fields + 1] = 'w' .. (i - 1)
    fields[#fields + 1] = who
  end
  call('HSET', K['gate:' .. gate], unpack(fields))
end

-- True for a job that begins only when a gate opens.
local function enter_workflow(s)
  local awaits, feeds, place, made = unpack(s[12])
  if feeds ~= '' then call('HSET', K.feeds, s[1], feeds .. ' ' .. place) end
  for _, gate in ipairs(made) do make_gate(unpack(gate)) end
  if awaits == '' then return false end
  call('HSET', K.awaiting, s[1], string.format('%s %.0f %.0f', awaits, s[3], s[4]))
  return true
end
