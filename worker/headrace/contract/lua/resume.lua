-- paused → running; wakes the idle workers.
--@include keys, clock, ready
-- KEYS: [1] the queue's prefix
-- ARGV: none
-- RETURNS: 1 it was paused, 0 it was not
read_clock()
local was = call('HDEL', K.meta, 'paused')
wake(call('SCARD', K.idle))
signal()
return was
