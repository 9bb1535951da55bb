-- running → paused: exchange settles and claims nothing. Jobs that run go on.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: none
-- RETURNS: 1 it was running, 0 it was paused already
local was = call('HDEL', K.meta, 'paused') -- a removal first: a full Redis can be paused too
call('HSET', K.meta, 'paused', '1')
return 1 - was
