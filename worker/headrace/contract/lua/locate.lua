-- Reads where job ids stand, all structures in one step: for `show`, `status` and listings.
--@include keys, clock, ready, lines, places
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: per id {has an envelope (0|1), {place, detail, …} (see lib/places), crashes, cancel asked (0|1)}
local places = places_of_all(ARGV)
local found = {}
for i, id in ipairs(ARGV) do
  found[i] = {
    call('HEXISTS', K.jobs, id), places[i],
    tonumber(call('HGET', K.crash, id) or 0), call('SISMEMBER', K.cancel, id),
  }
end
return found
