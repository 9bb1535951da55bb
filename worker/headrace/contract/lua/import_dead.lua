-- (nothing) → dead: letters that were written to a file come back, at the end of the order of death. Ids that there are,
-- in whatever state, are passed over.
--@include keys, clock, ready, marks, dead
-- KEYS: [1] the queue's prefix
-- ARGV: [1] msgpack list of 1..1000 {id, value, task, reason, record, fingerprint, traceback, priority ('' for the default)}
-- RETURNS: the ids passed over
read_clock()
local passed, came = {}, 0
for _, letter in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id = letter[1]
  if call('HSETNX', K.jobs, id, letter[2]) == 0 then
    passed[#passed + 1] = id
  else
    if letter[8] ~= '' then call('HSET', K.prio, id, letter[8]) end
    bury(id, letter[3], letter[4], letter[5], letter[6], letter[7])
    came = came + 1
  end
end
if came > 0 then
  call('HINCRBY', K.meta, 'letters', 1)
  save_clock()
end
return passed
