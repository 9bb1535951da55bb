-- live → live, its lease extended. Sent by the renewal thread; carries the session, and of its jobs only what they
-- say of themselves, which is kept as long as the lease.
--@include keys, clock
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid, [2] lease_ms, [3] presence (msgpack), [4] progress of its jobs (contract/progress.py), '' for none
-- RETURNS: {'OK', now_ms, leases held, cancelled ids held, cordoned (0 | 1)} | {'LOST', now_ms, 0, {}, 0}
read_clock()
local sid = ARGV[1]
if not call('ZSCORE', K.sess, sid) then return {'LOST', clock.ms, 0, {}, 0} end

call('SREM', K.idle, '') -- a removal first, see exchange.lua
call('ZADD', K.sess, 'XX', clock.ms + tonumber(ARGV[2]), sid)
call('HSET', K.workers, sid, ARGV[3])
if (ARGV[4] or '') ~= '' then
  call('SET', K['progress:' .. sid], string.format('%.0f ', clock.ms) .. ARGV[4], 'PX', ARGV[2])
end
local own = K['own:' .. sid]
local cancelled = {}
if call('SCARD', K.cancel) > 0 then
  for _, id in ipairs(call('SMEMBERS', K.cancel)) do
    if call('HEXISTS', own, id) == 1 then cancelled[#cancelled + 1] = id end
  end
end
local cordon = tonumber(call('ZSCORE', K.cordon, sid) or 0)
save_clock()
return {'OK', clock.ms, call('HLEN', own), cancelled, cordon > clock.ms and 1 or 0}
