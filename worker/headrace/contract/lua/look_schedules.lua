-- Reads the records of Schedules.
--@include keys, clock, recurring
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 uids
-- RETURNS: per uid {uid, now_ms, ids of its jobs that are not over, its fields}; no fields where it has no record
read_clock()
local found = {}
for i, uid in ipairs(ARGV) do found[i] = described(uid) end
return found
