-- The planned ticks of periodic tasks: jobs `tick:<task>:<ms>` among the scheduled ones.

-- removed: ids just taken from the queue. Gives those that are a task's next tick to `put_back(id, due)`, and returns
-- the others.
local function leave_ticks(removed, put_back)
  local standing = {}
  local ticks = call('HGETALL', K.ticks)
  for i = 1, #ticks, 2 do
    local due = string.match(ticks[i + 1], '^%d*')
    standing['tick:' .. ticks[i] .. ':' .. due] = due
  end
  local others = {}
  for _, id in ipairs(removed) do
    if standing[id] then put_back(id, standing[id]) else others[#others + 1] = id end
  end
  return others
end
