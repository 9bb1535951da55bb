-- A Schedule is gone: its record goes, its jobs stay. Who hasn't heard of it yet can make no new record for an hour, which
-- would begin with ticks that had their jobs. Begins with a removal: a full Redis lets it run.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid
-- RETURNS: 1 if it had a record | 0
local REMEMBER_MS = 3600000
call('HDEL', K.schedules, ARGV[1])
local known = call('UNLINK', K['schedule:' .. ARGV[1]])
call('SET', K['gone:' .. ARGV[1]], '1', 'PX', REMEMBER_MS)
return known
