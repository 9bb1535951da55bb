-- scheduled → ready: jobs whose time has come, earliest first. Scored by when they fell due, their true waiting age.
local function promote(limit)
  local due = call('ZRANGEBYSCORE', K.sched, '-inf', clock.ms, 'WITHSCORES', 'LIMIT', 0, limit)
  if #due == 0 then return 0 end
  local ids, scores = {}, {}
  for i = 1, #due, 2 do
    ids[#ids + 1] = due[i]
    scores[#scores + 1] = tonumber(due[i + 1]) * 1000
  end
  call('ZREM', K.sched, unpack(ids))
  push_ready(ids, scores)
  return #ids
end
