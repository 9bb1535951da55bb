-- Puts versions on trial in place of those that were, for ttl_ms: a lease of the operator's, so that a dead leader's trial
-- ends by itself. Forgets why others have failed. None ends it, and forgets what was tried.
--@include keys, clock
-- KEYS: [1] the queue's prefix
-- ARGV: [1] ttl_ms, then versions
-- RETURNS: how many are on trial now
read_clock()
call('HDEL', K.meta, 'trial', 'trial_until') -- a removal first: a full Redis must not stop a rollback
if #ARGV == 1 then
  call('UNLINK', K.tried, K.failures)
  return 0
end
call('HSET', K.meta, 'trial', table.concat(ARGV, ' ', 2), 'trial_until', clock.ms + tonumber(ARGV[1]))
call('PEXPIRE', K.tried, ARGV[1])
call('PEXPIRE', K.failures, ARGV[1])
local named = {}
for i = 2, #ARGV do named[ARGV[i]] = true end
for _, field in ipairs(call('HKEYS', K.failures)) do
  if not named[string.match(field, '^(.*):')] then call('HDEL', K.failures, field) end
end
return #ARGV - 1
