-- A WorkerQueue claims the Redis queue; a second claimant is told who has it. A claim is a lease: it is repeated while the
-- WorkerQueue exists and lapses when nobody repeats it, so that one deleted without an operator blocks no other for ever.
--@include keys, clock
-- KEYS: [1] the queue's prefix
-- ARGV: [1] owner (`cluster/namespace/name`), [2] 'claim' | 'release', [3] how long the claim holds, ms
-- RETURNS: the owner after the call, '' for none
read_clock()
local meta = call('HMGET', K.meta, 'owner', 'owner_until')
local owner = meta[1]
if owner and (tonumber(meta[2]) or 0) <= clock.ms then owner = false end

if ARGV[2] == 'release' then
  if owner ~= ARGV[1] then return owner or '' end
  call('HDEL', K.meta, 'owner', 'owner_until')
  return ''
end
if owner and owner ~= ARGV[1] then return owner end
call('HDEL', K.meta, 'owner') -- a removal first: a full Redis can be claimed too
call('HSET', K.meta, 'owner', ARGV[1], 'owner_until', clock.ms + tonumber(ARGV[3]))
return ARGV[1]
