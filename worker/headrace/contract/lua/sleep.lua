-- Marks the queue asleep: the next enqueue that makes work says so on the `signal` channel.
-- Refused while there is work, so that no enqueue falls between the look and the mark.
--@include keys, clock, ready
-- KEYS: [1] the queue's prefix
-- ARGV: none
-- RETURNS: 1 marked, 0 there is work
read_clock()
local due = call('ZCOUNT', K.sched, '-inf', clock.ms) + call('ZCOUNT', K.kdue, '-inf', clock.ms)
if ready_count() + due > 0 then return 0 end
call('HDEL', K.meta, 'asleep') -- a removal first: a full Redis can sleep too
call('HSET', K.meta, 'asleep', '1')
return 1
