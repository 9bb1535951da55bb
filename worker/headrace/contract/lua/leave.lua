-- live → gone, in peace: what it still holds goes back to ready, nothing charged; what is to be cancelled is done.
--@include keys, clock, ready, marks, endings, gates, forget, take, dismiss, presence, transitions, versions
-- KEYS: [1] the queue's prefix
-- ARGV: [1] sid
-- RETURNS: how many jobs were given back
read_clock()
local sid = ARGV[1]
local own, worker = K['own:' .. sid], worker_named(sid)
if call('ZREM', K.sess, sid) == 1 then note_version(version_of(sid)) end
call('SREM', K.idle, sid)
call('HDEL', K.workers, sid)
call('ZREM', K.cordon, sid)
if clock.alone == sid then call('HDEL', K.meta, 'alone') end

local given_back = 0
repeat
  local ids = take_some(own)
  if #ids > 0 then
    local known, scores = {}, {}
    local values = call('HMGET', K.jobs, unpack(ids))
    free_slots(ids)
    for i, id in ipairs(ids) do
      if not values[i] then
        let_go({id})
        drop_marks({id})
        gates().cut({id})
      elseif not cancel_pending(id) then
        note_transition(id, 'left', 0, worker)
        clock.us = clock.us + 1
        known[#known + 1] = id
        scores[#scores + 1] = clock.us
      end
    end
    if #known > 0 then push_ready(known, scores) end
    given_back = given_back + #known
  end
until #ids == 0
call('UNLINK', K['lane:' .. sid])
dismiss(sid)
if given_back > 0 then call('HINCRBY', K.count, 'released', given_back) end
rouse(ready_count()) -- also suspects, if it was the session set apart, and what a cancelled job has let out
if herald then herald.announce() end
save_clock()
return given_back
