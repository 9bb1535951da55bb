-- leased → ready | suspects | dead for one session whose process is known to be gone; nobody waits for its lease to end.
--@include keys, clock, ready, marks, schedule, dead, endings, gates, forget, take, dismiss, trial, presence, transitions, versions, reap
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid
-- RETURNS: how many jobs were moved
read_clock()
local sid = ARGV[1]
local live = call('ZREM', K.sess, sid) == 1
if not live and not call('ZSCORE', K.reaping, sid) then return 0 end
fence(sid)
local moved, total = 0, 0
repeat
  moved = reap_one(sid)
  total = total + moved
until moved == 0
local ready = ready_count()
wake(ready) -- suspects, too, if it was the session set apart
if ready > 0 then signal() end
if herald then herald.announce() end
save_clock()
return total
