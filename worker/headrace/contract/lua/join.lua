-- (new session) → live. A worker's first word; may be repeated. A sid serves one session: whoever has lost it takes
-- another.
--@include keys, clock
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid, [2] lease_ms, [3] presence (msgpack), [4] protocol
-- RETURNS: {'OK', now_ms} | {'UPGRADE', the least protocol this queue takes}
--          | {'LOST', now_ms} (this sid's jobs are being taken from it)
read_clock()
local least = tonumber(call('HGET', K.meta, 'min_proto')) or 0
if tonumber(ARGV[4]) < least then return {'UPGRADE', least} end
if call('ZSCORE', K.reaping, ARGV[1]) then return {'LOST', clock.ms} end

call('SREM', K.idle, '') -- a removal first: a full Redis must still let workers in, or it never drains
local lease = tonumber(ARGV[2])
call('ZADD', K.sess, clock.ms + lease, ARGV[1])
call('HSET', K.workers, ARGV[1], ARGV[3])
call('HSET', K.meta, 'lease', math.max(lease, call('ZCARD', K.sess) > 1 and clock.lease or 0))
save_clock()
return {'OK', clock.ms}
