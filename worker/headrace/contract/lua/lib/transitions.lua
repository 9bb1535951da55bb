-- The last few transitions of a job that are out of the ordinary, one record each in `trail`: msgpack list, oldest first, of
-- {Unix ms, what, times, worker, class of the error}, see contract/trail.py. Kept as long as its envelope.
-- Jobs that never fail and are never given back write none, and need this file in no call of theirs.
local TRANSITIONS_KEPT, LONGEST_NAME = 5, 36

-- The end of a long name tells pods apart; no part of a character stays at its beginning.
local function worker_named(sid)
  local name = presence_in(call('HGET', K.workers, sid))[1]
  if type(name) ~= 'string' then return '' end
  return #name <= LONGEST_NAME and name or (string.gsub(string.sub(name, -LONGEST_NAME), '^[\128-\191]+', ''))
end

-- A name, as classes have them. What anybody wrote in words is not for every eye.
local function class_kept(class)
  return type(class) == 'string' and string.find(class, '^[%a_][%w_.]*$') and string.sub(class, 1, LONGEST_NAME) or ''
end

-- The list as it is, or what is to be kept of it beside one more: a few are put end to end without a look inside.
local function room_in(packed)
  local entries = (string.byte(packed, 1) or 0) - 144
  if entries >= 0 and entries < TRANSITIONS_KEPT then return entries, string.sub(packed, 2) end
  local readable, trail = pcall(cmsgpack.unpack, packed)
  if not readable or type(trail) ~= 'table' then return 0, '' end
  local kept = {unpack(trail, math.max(#trail - TRANSITIONS_KEPT + 2, 1))}
  return #kept, string.sub(cmsgpack.pack(kept), 2)
end

-- times: how often that has happened to it, 0 where nobody counts; worker: see worker_named, or ''
local function note_transition(id, what, times, worker, class)
  if not clock.us then read_clock() end
  local entries, packed = room_in(call('HGET', K.trail, id) or '\144')
  local entry = cmsgpack.pack({clock.ms, what, times, worker, class_kept(class)})
  call('HSET', K.trail, id, string.char(145 + entries) .. packed .. entry)
end
