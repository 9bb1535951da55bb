-- Calls a replay off for good: whoever carries it out moves nothing more, and the request never runs again.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] request, [2] keep_ms
-- RETURNS: letters that it has moved; -1: it is not known (any more)
local progress = K['replay:' .. ARGV[1]]
local moved = call('HGET', progress, 'replayed')
if not moved then return -1 end
call('HSET', progress, 'cancelled', 1)
call('PEXPIRE', progress, ARGV[2])
return tonumber(moved)
