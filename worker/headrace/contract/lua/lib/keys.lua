-- KEYS[1] is the queue's prefix, `hr:{<queue>}:`; every other key is that prefix and a name listed in keys.py.
local call = redis.call
local K = setmetatable({}, {__index = function(_, name) return KEYS[1] .. name end})
local PRIORITIES = {'high', 'default', 'low'}
