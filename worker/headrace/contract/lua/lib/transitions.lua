-- The last few transitions of a job that are out of the ordinary, one record each in `trail`: msgpack list, oldest first, of
-- {Unix ms, what, times, worker, class of the error}, see contract/trail.py. Kept as long as its envelope.
-- Jobs that never fail and are never given back write none, and need this file in no call of theirs.
local TRANSITIONS_KEPT, LONGEST_NAME = 5, 36

local function worker_named(sid)
  local name = presence_in(call('HGET', K.workers, sid))[1]
  return type(name) == 'string' and name or ''
end

-- The end of a long name tells pods apart; no part of a character stays at its beginning.
local function name_kept(name)
  return #name <= LONGEST_NAME and name or (string.gsub(string.sub(name, -LONGEST_NAME), '^[\128-\191]+', ''))
end

-- A name, as classes have them. What anybody wrote in words is not for every eye, and has no bound.
local function class_kept(class)
  return type(class) == 'string' and string.find(class, '^[%a_][%w_.]*$') and string.sub(class, 1, LONGEST_NAME) or ''
end

-- times: how often that has happened to it, 0 where nobody counts; worker: the name of the one that ran it, or ''
local function note_transition(id, what, times, worker, class)
  if not clock.us then read_clock() end
  local readable, trail = pcall(cmsgpack.unpack, call('HGET', K.trail, id) or '\144')
  if not readable or type(trail) ~= 'table' then trail = {} end
  while #trail >= TRANSITIONS_KEPT do table.remove(trail, 1) end
  trail[#trail + 1] = {clock.ms, what, times, name_kept(worker), class_kept(class)}
  call('HSET', K.trail, id, cmsgpack.pack(trail))
end
