-- Cordons sessions for ttl_ms (0 lifts it and wakes them): a lease of the operator's, so that a dead leader's cordon
-- lapses by itself.
--@include keys, clock, ready
-- KEYS: [1] the queue's prefix
-- ARGV: [1] ttl_ms, then sids
-- RETURNS: per sid how many jobs it still holds
read_clock()
call('ZREMRANGEBYSCORE', K.cordon, '-inf', clock.ms) -- a removal first: a full Redis must not stop a scale-in
local ttl = tonumber(ARGV[1])
local leases, lifted = {}, 0
for i = 2, #ARGV do
  if ttl > 0 then
    call('ZADD', K.cordon, clock.ms + ttl, ARGV[i])
  elseif call('ZREM', K.cordon, ARGV[i]) == 1 and call('ZSCORE', K.sess, ARGV[i]) then
    call('SADD', K.idle, ARGV[i])
    lifted = lifted + 1
  end
  leases[#leases + 1] = call('HLEN', K['own:' .. ARGV[i]])
end
if lifted > 0 then wake(lifted) end
return leases
