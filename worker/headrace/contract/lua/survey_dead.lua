-- Counts the dead letters of a choice by facet, with a digest that is another one whenever the set is; writes nothing.
-- Its cost goes with the facets, or the ids, never with the letters that there are.
--@include keys, clock, survey
-- KEYS: [1] the queue's prefix
-- ARGV: [1] since, [2] older than (Unix µs, -µs: so long ago, '': no bound), [3] what else decides what would move, for
--       the digest, [4] task, [5] reason ('': any, else `=` and its name), then ids; given some, they are the choice
-- RETURNS: {digest, first and last time of death meant ('': no bound), flat list facet, count, …}
read_clock()
local first, last = bounds_of(ARGV[1], ARGV[2])
if #ARGV > 5 then return {survey_ids(ARGV[3], 6), '', '', {}} end
local digest, counts = survey(ARGV[3], ARGV[4], ARGV[5], first, last)
return {digest, first and string.format('%.0f', first) or '', last and string.format('%.0f', last) or '', counts}
