-- Names the Schedules that have a record and no entry in `schedules`; 'mend' takes it away. An entry whose record has expired is no
-- mistake: 'mend' only clears it, and gives a record of an older release its time, see lib/expiry.
--@include keys, expiry
-- KEYS: [1] the queue's prefix
-- ARGV: [1] 'look' | 'mend', then 1..1000 uids
-- RETURNS: the uids that are wrong
local wrong = {}
for i = 2, #ARGV do
  local record = K['schedule:' .. ARGV[i]]
  local named = call('HEXISTS', K.schedules, ARGV[i]) == 1
  if not named and call('EXISTS', record) == 1 then wrong[#wrong + 1] = ARGV[i] end
  if ARGV[1] == 'mend' then
    if named then tidy(ARGV[i]) else call('UNLINK', record) end
  end
end
return wrong
