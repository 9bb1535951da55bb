-- Names the Schedules that have a record and no entry in `schedules`, or the other way round; 'mend' takes both away.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: [1] 'look' | 'mend', then 1..1000 uids
-- RETURNS: the uids that are wrong
local wrong = {}
for i = 2, #ARGV do
  local record = K['schedule:' .. ARGV[i]]
  if call('EXISTS', record) ~= call('HEXISTS', K.schedules, ARGV[i]) then
    wrong[#wrong + 1] = ARGV[i]
    if ARGV[1] == 'mend' then
      call('HDEL', K.schedules, ARGV[i])
      call('UNLINK', record)
    end
  end
end
return wrong
