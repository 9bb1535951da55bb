-- (new session) → live. A worker's first word; may be repeated. A sid serves one session: whoever has lost it takes
-- another.
--@include keys, clock, presence, protocol, versions, fold, rate, rules
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid, [2] lease_ms, [3] presence (msgpack), [4] protocol,
--       [5] the rules its exchanges keep to (see lib/limits), none: '' or left out
-- RETURNS: {'OK', now_ms} | {'UPGRADE', the least protocol this queue takes}
--          | {'AHEAD', the protocol of a live worker that is too far behind this one}
--          | {'LOST', now_ms} (this sid's jobs are being taken from it)
read_clock()
local mine = tonumber(ARGV[4])
local meta = call('HMGET', K.meta, 'min_proto', 'proto')
local least = least_protocol(meta[1], meta[2])
if mine < least then return {'UPGRADE', least} end

if mine - SKEW > 1 then -- else nobody can be too far behind
  for _, sid in ipairs(call('ZRANGEBYSCORE', K.sess, clock.ms, '+inf')) do
    local spoken = spoken_by(sid) or mine
    if spoken < mine - SKEW then return {'AHEAD', spoken} end
  end
end
if call('ZSCORE', K.reaping, ARGV[1]) then return {'LOST', clock.ms} end

call('SREM', K.idle, '') -- a removal first: a full Redis must still let workers in, or it never drains
local lease = tonumber(ARGV[2])
call('ZADD', K.sess, clock.ms + lease, ARGV[1])
call('HSET', K.workers, ARGV[1], ARGV[3])
note_version(version_in(ARGV[3]))
fold_versions()
local longest = math.max(lease, call('ZCARD', K.sess) > 1 and clock.lease or 0)
call('HSET', K.meta, 'lease', longest, 'proto', math.max(mine, tonumber(meta[2]) or 0))
take_rules(ARGV[5] or '')
if (ARGV[5] or '') ~= '' then
  call('HSET', K['lane:' .. ARGV[1]], 'rules', ARGV[5])
  raise_floor(LIMITS_SINCE)
end
save_clock()
return {'OK', clock.ms}
