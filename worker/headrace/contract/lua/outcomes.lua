-- Reads how jobs have ended, for those who wait for them.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: per id {'waiting'} (it waits or runs) | {'dead', entry of `dj` or ''} | {'kept', result} | {'gone'}
local found = {}
for i, id in ipairs(ARGV) do
  -- the job before the result: an id used again must not answer with what its first job left
  if call('HEXISTS', K.jobs, id) == 1 then
    if call('ZSCORE', K.dead, id) then found[i] = {'dead', call('HGET', K.dj, id) or ''} else found[i] = {'waiting'} end
  else
    local result = call('GET', K['r:' .. id])
    found[i] = result and {'kept', result} or {'gone'}
  end
end
return found
