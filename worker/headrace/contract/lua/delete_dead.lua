-- dead → (gone), by the owner's wish.
--@include keys, clock, ready, marks, dead
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: how many were deleted
local deleted = 0
for _, id in ipairs(ARGV) do
  if exhume(id) then
    call('HDEL', K.jobs, id)
    call('HDEL', K.prio, id)
    call('HDEL', K.marks, id)
    deleted = deleted + 1
  end
end
return deleted
