-- A Schedule lives, and can't be settled as it stands: its record is kept all the same, see lib/expiry.
--@include keys, expiry
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid
-- RETURNS: 1 if it has a record | 0
return keep_record(ARGV[1])
