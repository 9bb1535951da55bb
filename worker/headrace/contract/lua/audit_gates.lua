-- Names the gates of workflows at which nobody waits; when mending also removes them.
--@include keys, clock, ready, marks, endings, gates
-- KEYS: [1] the queue's prefix
-- ARGV: [1] 'look' | 'mend', then 1..1000 gates
-- RETURNS: those of them that were there for nothing
local stray = {}
for i = 2, #ARGV do
  if call('EXISTS', K['gate:' .. ARGV[i]]) == 1 and not gates().needed(ARGV[i]) then stray[#stray + 1] = ARGV[i] end
end
if ARGV[1] == 'mend' then
  call('SREM', K.cancel, '') -- a removal first: a full Redis can be mended too
  gates().close({unpack(stray)})
end
return stray
