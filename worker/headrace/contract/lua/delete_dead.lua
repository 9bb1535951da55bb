-- dead → (gone), by the owner's wish; what waits for them is called off.
--@include keys, clock, ready, marks, dead, endings, gates
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: how many were deleted
local deleted = 0
for _, id in ipairs(ARGV) do
  if exhume(id) then
    call('HDEL', K.jobs, id)
    call('HDEL', K.prio, id)
    call('HDEL', K.marks, id)
    call('HDEL', K.trail, id)
    gates().cut({id})
    deleted = deleted + 1
  end
end
if herald then herald.announce() end
return deleted
