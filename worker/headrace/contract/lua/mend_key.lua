-- Takes out of a limit key's structures the ids that do not belong there: out of `kc:` what is not leased under that key,
-- out of `kw:` what is not parked. Each slot so freed lets the next job go.
--@include keys, clock, ready, lines, marks, places
-- KEYS: [1] the queue's prefix
-- ARGV: [1] limit key, then 1..1000 ids
-- RETURNS: how many were taken out
read_clock()
call('SREM', K.cancel, '') -- a removal first: a full Redis can be mended too
local key, ids = ARGV[1], {unpack(ARGV, 2)}
local marks, places = marks_of(ids), places_of_all(ids)
local removed, let_out = 0, 0
for i, id in ipairs(ids) do
  local place = marks[i] and marks[i][1] == key and places[i][1]
  if place ~= 'leased' and place ~= 'reaping' and call('SREM', K['kc:' .. key], id) == 1 then
    removed = removed + 1
    let_out = let_out + unpark(key, 1)
  end
  if place ~= 'parked' then removed = removed + call('ZREM', K['kw:' .. key], id) end
end
rouse(let_out)
save_clock()
return removed
