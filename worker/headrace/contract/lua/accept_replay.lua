-- Accepts a replay request, once: what it may move is fixed here, so that a resumed request takes no letter that died later.
--@include keys, clock
-- KEYS: [1] the queue's prefix
-- ARGV: [1] request, [2] digest of the selection, [3] most letters to move (0: no bound),
--       [4] until_us (only letters that died by then; 0: by now), [5] keep_ms
-- RETURNS: {digest, most, until_us, moved so far} as accepted by the first call
read_clock()
local progress = K['replay:' .. ARGV[1]]
call('HDEL', progress, '') -- a removal first: a full Redis can be replayed from
if call('EXISTS', progress) == 0 then
  local until_us = tonumber(ARGV[4])
  if until_us == 0 or until_us > clock.us then until_us = clock.us end
  call('HSET', progress, 'selection', ARGV[2], 'most', ARGV[3], 'until_us', until_us, 'replayed', 0)
  save_clock() -- whatever dies from now on dies later than until_us
end
call('PEXPIRE', progress, ARGV[5])
return call('HMGET', progress, 'selection', 'most', 'until_us', 'replayed')
