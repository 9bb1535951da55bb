-- Accepts a replay request, once: what it may move is fixed here, so that a resumed request takes no letter that died later.
-- One with an approval is accepted only if the set is still the one that was proposed.
--@include keys, clock, survey
-- KEYS: [1] the queue's prefix
-- ARGV: [1] request, [2] digest of the selection, [3] most letters to move (0: no bound),
--       [4] until_us (only letters that died by then; 0: by now), [5] keep_ms; without more there is no limit but these:
--       [6] letters replayed so often stay (0: none does), [7] since, [8] older than (as survey_dead takes them),
--       [9] digest that was approved ('': any set will do), [10] what else decides what would move, [11] task,
--       [12] reason ('': any, else `=` and its name), then ids
-- RETURNS: {digest, most, until_us, moved so far, since_us ('': no bound)} as accepted by the first call, or
--          {'changed', the digest of the set as it is now}
read_clock()
local progress = K['replay:' .. ARGV[1]]
call('HDEL', progress, '') -- a removal first: a full Redis can be replayed from
if call('EXISTS', progress) == 0 then
  local first, last = bounds_of(ARGV[7], ARGV[8])
  if (ARGV[9] or '') ~= '' then
    local digest
    if #ARGV > 12 then digest = survey_ids(ARGV[10], 13) else digest = survey(ARGV[10], ARGV[11], ARGV[12], first, last) end
    if digest ~= ARGV[9] then return {'changed', digest} end
  end
  local until_us = tonumber(ARGV[4])
  if until_us == 0 or until_us > clock.us then until_us = clock.us end
  if last then until_us = math.min(until_us, last) end
  call('HSET', progress, 'selection', ARGV[2], 'most', ARGV[3], 'until_us', until_us, 'replayed', 0, 'spent', ARGV[6] or 0,
    'since_us', first or '')
  save_clock() -- whatever dies from now on dies later than until_us
end
call('PEXPIRE', progress, ARGV[5])
return call('HMGET', progress, 'selection', 'most', 'until_us', 'replayed', 'since_us')
