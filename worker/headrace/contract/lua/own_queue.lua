-- A WorkerQueue claims the Redis queue; a second claimant is told who has it.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] owner (`cluster/namespace/name`), [2] 'claim' | 'release'
-- RETURNS: the owner after the call, '' for none
local owner = call('HGET', K.meta, 'owner')
if ARGV[2] == 'release' then
  if owner == ARGV[1] then call('HDEL', K.meta, 'owner'); owner = '' end
  return owner or ''
end
if not owner then
  call('HDEL', K.meta, 'owner') -- a removal first: a full Redis can be claimed too
  call('HSET', K.meta, 'owner', ARGV[1])
  owner = ARGV[1]
end
return owner
