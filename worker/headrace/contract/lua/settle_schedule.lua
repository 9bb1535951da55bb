-- The terms of a Schedule as its object states them now. Ticks count after its creation, at the first call; after now, when its
-- timing has changed or it was suspended: nothing is owed for what was not due by these terms. Without a change it only
-- keeps the record (lib/expiry); for one that was deleted (see forget_schedule) it writes nothing. The first write of a change is
-- an HSET: a full Redis refuses it whole.
--@include keys, clock, recurring, expiry
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid, [2] name, [3] timing, [4] '1' if suspended, else '', [5] when it was created, Unix ms,
--       [6] generation (0: unordered): a call with a lower one than is held changes nothing
-- RETURNS: the record as it is now: {uid, now_ms, ids of its jobs that are not over, its fields}
read_clock()
local uid, record = ARGV[1], K['schedule:' .. ARGV[1]]
local held = call('HMGET', record, 'name', 'timing', 'suspended', 'gen')
local behind = held[2] and ARGV[6] ~= '0' and tonumber(ARGV[6]) < tonumber(held[4])
local same = held[1] == ARGV[2] and held[2] == ARGV[3] and held[3] == ARGV[4] and held[4] == ARGV[6]
local gone = not held[2] and call('EXISTS', K['gone:' .. uid]) == 1
if behind or same or gone then
  keep_record(uid)
  return described(uid)
end

local fields = {'name', ARGV[2], 'timing', ARGV[3], 'suspended', ARGV[4], 'gen', ARGV[6]}
local since
if not held[2] then since = math.min(tonumber(ARGV[5]), clock.ms)
elseif held[2] ~= ARGV[3] or (held[3] == '1' and ARGV[4] ~= '1') then since = clock.ms end
if since then
  fields[#fields + 1] = 'since'
  fields[#fields + 1] = since
end
call('HSET', record, unpack(fields))
call('HSET', K.schedules, uid, ARGV[2])
keep_record(uid)
save_clock()
return described(uid)
