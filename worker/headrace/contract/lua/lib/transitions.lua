-- The last few transitions of a job that are out of the ordinary, one record each in `trail`: msgpack list, oldest first, of
-- {Unix ms, what, times, worker, class of the error}, see contract/trail.py. Kept as long as its envelope.
-- Jobs that never fail and are never given back write none, and need this file in no call of theirs. A death is noted when
-- it is over: until then the dead letter itself says it.
local TRANSITIONS_KEPT, LONGEST_NAME = 5, 36

-- The end of a long name tells pods apart; no part of a character stays at its beginning.
local function end_of(name)
  return #name <= LONGEST_NAME and name or (string.gsub(string.sub(name, -LONGEST_NAME), '^[\128-\191]+', ''))
end

local function worker_named(sid)
  local name = presence_in(call('HGET', K.workers, sid))[1]
  return type(name) == 'string' and end_of(name) or ''
end

-- A name, as classes have them. What anybody wrote in words is not for every eye.
local function class_kept(class)
  return type(class) == 'string' and string.find(class, '^[%a_][%w_.]*$') and string.sub(class, 1, LONGEST_NAME) or ''
end

-- How many entries are kept beside `more` new ones, and these as they are: a few are put end to end without a look inside.
local function kept_beside(more, packed)
  local entries = (string.byte(packed, 1) or 0) - 144
  if entries >= 0 and entries + more <= TRANSITIONS_KEPT then return entries, string.sub(packed, 2) end
  local readable, trail = pcall(cmsgpack.unpack, packed)
  if not readable or type(trail) ~= 'table' then return 0, '' end
  local kept = {unpack(trail, math.max(#trail - TRANSITIONS_KEPT + more + 1, 1))}
  return #kept, string.sub(cmsgpack.pack(kept), 2)
end

local function append(id, ...)
  local more = select('#', ...)
  local entries, packed = kept_beside(more, call('HGET', K.trail, id) or '\144')
  call('HSET', K.trail, id, string.char(144 + entries + more) .. packed .. table.concat({...}))
end

-- times: how often that has happened to it, 0 where nobody counts; worker: see worker_named, or ''
local function note_transition(id, what, times, worker, class)
  if not clock.us then read_clock() end
  append(id, cmsgpack.pack({clock.ms, what, times, worker, class_kept(class)}))
end

-- Of a dead letter that is one no more: died in µs, entry as it stood in `dj`.
local function note_replay(id, died, entry, replays)
  local reason, packed = string.match(entry, '^[^|%z]*|(%Z*)%z%Z*%z(.*)$')
  local readable, record = pcall(cmsgpack.unpack, packed or '')
  if not readable or type(record) ~= 'table' then record = {} end
  local worker = type(record[4]) == 'string' and end_of(record[4]) or ''
  append(id,
    cmsgpack.pack({math.floor(died / 1000), 'dead', tonumber(record[2]) or 0, worker, class_kept(reason)}),
    cmsgpack.pack({clock.ms, 'replayed', replays, '', ''}))
end
