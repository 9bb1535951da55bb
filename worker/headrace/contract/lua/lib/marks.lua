-- Jobs with a limit key, a unique key or a fingerprint: one record each in `marks`, msgpack
-- {limit key, rule, unique key, fingerprint}, '' for what it has not. A queue that never had one pays for no look-up.
-- Of a limit key, `kc:<key>` holds the leased ids, no others, and `kw:<key>` the parked ones by ready-at.
-- While some are parked, each free slot of the key has a job on the ready path that may take it: whatever frees a
-- slot, or takes a job off that path, lets the next one out; claiming looks again (lib/limits).

local function marked()
  if clock.marks == nil then clock.marks = call('HGET', K.meta, 'marks') == '1' end
  return clock.marks
end

-- ids: 1..1000 of them; per id its mark or false
local function marks_of(ids)
  local packed, marks = call('HMGET', K.marks, unpack(ids)), {}
  for i = 1, #ids do marks[i] = packed[i] and cmsgpack.unpack(packed[i]) end
  return marks
end

-- parked → ready: up to n jobs of a limit key, the longest waiting first, each to where it stood.
local function unpark(key, n)
  local popped = call('ZPOPMIN', K['kw:' .. key], n)
  if #popped < 2 * n then call('ZREM', K.kdue, key) end -- nobody is left to wait for its rate
  if #popped == 0 then return 0 end
  local ids, scores = {}, {}
  for i = 1, #popped, 2 do
    ids[#ids + 1] = popped[i]
    scores[#scores + 1] = popped[i + 1]
  end
  call('SREM', K.parked, unpack(ids))
  push_ready(ids, scores)
  return #ids
end

-- Of ids that have just left their session: their slots are free. Returns how many jobs this has let out.
local function free_slots(ids)
  if not marked() then return 0 end
  local let_out = 0
  for i, mark in ipairs(marks_of(ids)) do
    if mark and mark[1] ~= '' and call('SREM', K['kc:' .. mark[1]], ids[i]) == 1 then
      let_out = let_out + unpark(mark[1], 1)
    end
  end
  return let_out
end

local function unlock(id, unique)
  if unique ~= '' and call('GET', K['u:' .. unique]) == id then call('DEL', K['u:' .. unique]) end
end

-- A job that has died no longer keeps others of its unique key out; its mark stays, for a replay.
local function end_uniqueness(id)
  if not marked() then return end
  local mark = marks_of({id})[1]
  if mark then unlock(id, mark[3]) end
end

-- Takes a job out of its key's line; false when it was not parked.
local function leave_line(key, id)
  if call('ZREM', K['kw:' .. key], id) == 0 then return false end
  if call('EXISTS', K['kw:' .. key]) == 0 then call('ZREM', K.kdue, key) end
  return true
end

-- Of ids that are no more. Returns how many jobs this has let out.
local function drop_marks(ids)
  if not marked() then return 0 end
  local let_out = 0
  for i, mark in ipairs(marks_of(ids)) do
    if mark then
      unlock(ids[i], mark[3])
      local key = mark[1]
      -- one that was parked held nothing; one that was ready may have been the one let out
      if key ~= '' and (call('SREM', K['kc:' .. key], ids[i]) == 1 or not leave_line(key, ids[i])) then
        let_out = let_out + unpark(key, 1)
      end
    end
  end
  call('HDEL', K.marks, unpack(ids))
  return let_out
end
