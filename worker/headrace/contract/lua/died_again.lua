-- Reads what has become of ids that were replayed, for whoever stops a replay that only makes dead letters again.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: per id 0 (it waits or runs), 1 (it is dead again), 2 (it is gone: done, called off or deleted)
local scores, found = call('ZMSCORE', K.dead, unpack(ARGV)), {}
for i, id in ipairs(ARGV) do found[i] = scores[i] and 1 or 2 - 2 * call('HEXISTS', K.jobs, id) end
return found
