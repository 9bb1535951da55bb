-- (new) | leased → scheduled. A head earlier than the one that idle workers wait for wakes one of them, which learns
-- of it; a sleeping queue signals it.
local function schedule(id, due_ms)
  local head = call('ZRANGE', K.sched, 0, 0, 'WITHSCORES')
  let_go({id})
  call('ZADD', K.sched, due_ms, id)
  if not head[1] or due_ms < tonumber(head[2]) then
    rouse(1)
  end
end
