-- Names the Schedules that have a record and no entry in `schedules`; 'mend' takes it away. An entry whose record has expired is no
-- mistake: 'mend' only clears it, and gives a record of an older release its time, see lib/expiry.
--@include keys, expiry
-- KEYS: [1] the queue's prefix
-- ARGV: [1] 'look' | 'mend', then 1..1000 uids
-- RETURNS: the uids that are wrong
local wrong = {}
for i = 2, #ARGV do
  local record = K['schedule:' .. ARGV[i]]
  local left, named = call('PTTL', record), call('HEXISTS', K.schedules, ARGV[i]) == 1
  if left ~= -2 and not named then wrong[#wrong + 1] = ARGV[i] end
  if ARGV[1] == 'mend' then
    if not named then call('UNLINK', record)
    elseif left == -2 then call('HDEL', K.schedules, ARGV[i])
    elseif left == -1 then call('PEXPIRE', record, KEEP_MS) end
  end
end
return wrong
