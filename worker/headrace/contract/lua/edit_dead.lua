-- dead → dead, with other arguments, provided that it is the very letter that was read: it has neither gone, nor been
-- replayed and died again, nor been edited by somebody else.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] id, [2] its time of death, Unix µs, [3] SHA-1 of its value as it was read, [4] the new value
-- RETURNS: 'edited' | 'gone' (it is no dead letter) | 'changed'
local died = call('ZSCORE', K.dead, ARGV[1])
if not died then return 'gone' end
local value = call('HGET', K.jobs, ARGV[1])
if value == ARGV[4] then return 'edited' end -- a call said again after its answer was lost
if tonumber(died) ~= tonumber(ARGV[2]) or not value or redis.sha1hex(value) ~= ARGV[3] then return 'changed' end
call('HSET', K.jobs, ARGV[1], ARGV[4])
call('HINCRBY', K.meta, 'letters', 1)
return 'edited'
