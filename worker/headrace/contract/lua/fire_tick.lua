-- (new) → ready: one tick of a Schedule, `<uid>:<tick>`, once however many operators fire it, and only ever later ones. Forbid
-- lets it pass while a job of the Schedule is not over; Replace calls those off first (see lib/calling_off). Its first write
-- is an HSET: a full Redis refuses it whole.
--@include keys, clock, presence, protocol, ready, lines, marks, endings, gates, forget, marking, transitions, places, calling_off, recurring, firing
-- KEYS: [1] the queue's prefix
-- ARGV: [1] uid, [2] tick, Unix ms, [3] its job in enqueue.lua's form, [4] Allow | Forbid | Replace, [5] how many runs to remember,
--       [6] how many ticks before this one are given up, [7] the standing that this was decided on, see lib/recurring
-- RETURNS: {fate, job id or '', ids called off, the record as it is now}; fate: 'enqueued', 'skipped', 'replaced',
--          'already' (this tick or a later one was dealt with), 'stale' (the standing is another, or it is suspended)
--          | error QUEUEFULL limit room: the queue has a limit and no room, nothing was done
--          | error UPGRADE: its task is limited, a worker is too old for that, and nothing was done
local limit = tonumber(read_clock('limit'))
local uid, tick, job = ARGV[1], tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3])
local id = job[1]
local standing, last, suspended = standing_of(uid)
if last and tick <= last then return {'already', id, {}, described(uid)} end
if standing == '' or suspended or standing ~= ARGV[7] then return {'stale', '', {}, described(uid)} end

local missed = call('HGET', K['schedule:' .. uid], 'missed') or 0
local fields = {'last', ARGV[2], 'missed', missed + tonumber(ARGV[6])}
local fate, of = run_once(uid, tick, job, ARGV[4], tonumber(ARGV[5]), limit, fields)
if not fate then return of end
save_clock()
return {fate, fate == 'skipped' and '' or id, of, described(uid)}
