-- KEYS[1] is the queue's prefix, `hr:{<queue>}:`. Keys lie below `hr:{<queue>}:streams:`, so that a queue of the same name that
-- is kept otherwise may stand beside this one; a channel has the name that every broker's has.
local call = redis.call
local K = setmetatable({}, {__index = function(_, name)
  return KEYS[1] .. (string.sub(name, 1, 5) == 'done:' and '' or 'streams:') .. name
end})
local PRIORITIES = {'high', 'default', 'low'}
