-- (new) → scheduled: the next ticks of a periodic task, once each however many workers ask, and only ever later ones.
-- `ticks` holds the latest planned tick of each task and the schedule it comes from; who plans names what it has seen
-- there, and is refused when another was faster. Its first write is an HSET: a full Redis refuses it whole.
--@include keys, clock, presence, protocol, ready, marks, schedule, endings, gates, forget, marking
-- KEYS: [1] the queue's prefix
-- ARGV: [1] task, [2] what `ticks` holds for it, '' for nothing, [3] what it shall hold, '' to only look,
--       [4] the standing job, to be called off if it is still scheduled, '' for none,
--       [5] jobs in enqueue.lua's form, at_ms their tick, or ''; an id that a job has already is passed over
-- RETURNS: {now_ms, what `ticks` holds now, 1 if this call has planned | 0, 1 if it called the standing job off | 0}
--          | error UPGRADE: its task is limited, a worker is too old for that, and nothing was planned
read_clock()
local task, seen, wanted, standing = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = call('HGET', K.ticks, task) or ''
if wanted == '' or held ~= seen then return {clock.ms, held, 0, 0} end

local jobs, planned = cmsgpack.unpack(ARGV[5]), {}
local refusal = refuse_marks(jobs)
if refusal then return refusal end
for _, job in ipairs(jobs) do
  if call('HSETNX', K.jobs, job[1], job[2]) == 1 then
    set_mark(job)
    planned[#planned + 1] = job
  end
end
call('HSET', K.ticks, task, wanted)
for _, job in ipairs(planned) do schedule(job[1], job[3]) end
if #planned > 0 then call('HINCRBY', K.count, 'enqueued', #planned) end

local called_off = 0
if standing ~= '' and call('ZREM', K.sched, standing) == 1 then
  called_off = 1
  rouse(call_off({standing}))
end
if herald then herald.announce() end
save_clock()
return {clock.ms, wanted, 1, called_off}
