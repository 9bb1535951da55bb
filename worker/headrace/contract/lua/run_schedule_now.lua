-- (new) → ready: a run of a Schedule out of its turn, `<uid>:now:<request>`, once per request. Its ticks go on as before; its
-- policy holds for this run, too. Its first write is an HSET: a full Redis refuses it whole.
--@include keys, clock, presence, protocol, ready, lines, marks, endings, gates, forget, marking, transitions, places, calling_off, recurring, firing
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid, [2] request, [3] its job in enqueue.lua's form, [4] Allow | Forbid | Replace, [5] how many runs to remember
-- RETURNS: as fire_tick; 'stale' where nobody has settled the Schedule's terms
local MOST_REQUESTS = 20
local limit = tonumber(read_clock('limit'))
local uid, request, record = ARGV[1], ARGV[2], K['schedule:' .. ARGV[1]]
local job = cmsgpack.unpack(ARGV[3])
local id = job[1]
if standing_of(uid) == '' then return {'stale', '', {}, described(uid)} end
local requests = list_in(call('HGET', record, 'requests'))
for _, known in ipairs(requests) do
  if known == request then return {'already', id, {}, described(uid)} end
end
table.insert(requests, 1, request)
while #requests > MOST_REQUESTS do table.remove(requests) end

local fields = {'requests', cmsgpack.pack(requests)}
local fate, of = run_once(uid, clock.ms, job, ARGV[4], tonumber(ARGV[5]), limit, fields)
if not fate then return of end
save_clock()
return {fate, fate == 'skipped' and '' or id, of, described(uid)}
