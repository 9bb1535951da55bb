-- A Schedule is gone: its record goes, its jobs stay. Removals only: a full Redis lets it run.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid
-- RETURNS: 1 if it had a record | 0
call('HDEL', K.schedules, ARGV[1])
return call('UNLINK', K['schedule:' .. ARGV[1]])
