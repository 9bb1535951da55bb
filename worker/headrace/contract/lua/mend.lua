-- orphan → ready, uncharged; ghost → (gone); doubled → its most advanced place: dead, leased, reaping, suspects, ready,
-- scheduled, parked, awaiting, in this order; misfiled → filed where its state says;
-- a parked job that its key's line does not name becomes ready; awaiting what will never come → dead. Looks again first: sound ids are left alone.
--@include keys, clock, ready, lines, marks, places, dead, endings, gates, gate_checks
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 ids
-- RETURNS: how many were changed
read_clock()
call('SREM', K.cancel, '') -- a removal first: a full Redis can be mended too

local function limit_key(id)
  local mark = marked() and marks_of({id})[1]
  return mark and mark[1] or ''
end

local function out_of_line(id)
  call('SREM', K.parked, id)
  call('ZREM', K['kw:' .. limit_key(id)], id)
end

local let_out = 0 -- jobs that became ready
local function take_out(id, place, detail)
  if place == 'leased' or place == 'reaping' then
    call('HDEL', K['own:' .. detail], id)
    let_out = let_out + free_slots({id})
  elseif place == 'dead' then exhume(id)
  elseif place == 'parked' then out_of_line(id)
  elseif place == 'awaiting' then call('HDEL', K.awaiting, id)
  elseif place == 'scheduled' then call('ZREM', K.sched, id)
  elseif place == 'suspects' then call('ZREM', K.suspects, id)
  else for _, p in ipairs(PRIORITIES) do call('ZREM', K['ready:' .. p], id) end end
end

local function count_facet(facet)
  local count = call('ZCARD', K['dead:' .. facet])
  if count > 0 then call('HSET', K.facets, facet, count) else call('HDEL', K.facets, facet) end
end

-- Out of the dead-letter structures that name it although it isn't dead.
local function unfile(id)
  local changed = 0
  for _, facet in ipairs(call('HKEYS', K.facets)) do
    if call('ZREM', K['dead:' .. facet], id) == 1 then
      count_facet(facet)
      changed = 1
    end
  end
  local entry = call('HGET', K.dj, id)
  if not entry then return changed end
  local fingerprint = string.match(entry, '^%Z*%z(%Z*)%z') or ''
  call('HDEL', K.dj, id)
  if fingerprint ~= '' and call('HINCRBY', K.tbn, fingerprint, -1) <= 0 then
    call('HDEL', K.tbn, fingerprint)
    call('HDEL', K.tb, fingerprint)
  end
  return 1
end

local function refile(id, died)
  local entry = call('HGET', K.dj, id)
  local facet = entry and string.match(entry, '^(%Z*)%z%Z*%z')
  if not facet then
    local value = call('HGET', K.jobs, id)
    facet = facet_of(string.sub(value, 5, 4 + string.byte(value, 4)), 'Unknown')
    local record = cmsgpack.pack({'its record was lost', string.byte(value, 2), 0, ''})
    call('HSET', K.dj, id, facet .. '\0\0' .. record)
    entry = nil
  end
  if entry and call('ZSCORE', K['dead:' .. facet], id) and call('HEXISTS', K.facets, facet) == 1 then return 0 end
  call('ZADD', K['dead:' .. facet], died, id)
  count_facet(facet)
  call('HINCRBY', K.meta, 'letters', 1) -- back at its old time of death: see lib/survey
  return 1
end

local function drop(id, places)
  for i = 1, #places, 2 do take_out(id, places[i], places[i + 1]) end
  local marks = call('HEXISTS', K.marks, id)
  let_out = let_out + drop_marks({id})
  marks = marks + call('HEXISTS', K.feeds, id)
  gates().cut({id})
  local removed = marks + call('HDEL', K.prio, id) + call('HDEL', K.crash, id) + call('SREM', K.cancel, id)
    + call('HDEL', K.trail, id)
  return (#places > 0 or removed + unfile(id) > 0) and 1 or 0
end

local function settle_places(id, places)
  if #places == 2 then return 0 end
  if #places == 0 then
    clock.us = clock.us + 1
    push_ready({id}, {clock.us})
    let_out = let_out + 1
    return 1
  end
  local kept, score = places[1], places[2]
  for i = 3, #places, 2 do
    -- two of the ready zsets hold it: out of all of them, back into the one of its priority
    take_out(id, places[i], places[i + 1])
    if kept == 'ready' and places[i] == 'ready' then push_ready({id}, {tonumber(score)}) end
  end
  return 1
end

local function refile_key(id)
  local place = places_of_all({id})[1][1]
  local key = limit_key(id)
  if place == 'parked' and (key == '' or not call('ZSCORE', K['kw:' .. key], id)) then
    out_of_line(id)
    clock.us = clock.us + 1
    push_ready({id}, {clock.us})
    let_out = let_out + 1
    return 1
  end
  if place ~= 'leased' and place ~= 'reaping' or key == '' then return 0 end
  return call('SADD', K['kc:' .. key], id)
end

local function refile_in_workflow(id)
  local changed = 0
  if call('HEXISTS', K.feeds, id) == 1 and not feeds_rightly(id) then changed = call('HDEL', K.feeds, id) end
  if call('HEXISTS', K.awaiting, id) == 0 or will_start(id) then return changed end
  call('HDEL', K.awaiting, id)
  local value = call('HGET', K.jobs, id)
  local record = cmsgpack.pack({'what it waited for was lost', string.byte(value, 2), 0, ''})
  bury(id, string.sub(value, 5, 4 + string.byte(value, 4)), 'ResultLost', record, '', '')
  note_end(id, 'dead')
  call('HINCRBY', K.count, 'dead', 1)
  return 1
end

local mended = 0
for _, id in ipairs(ARGV) do
  local places = places_of_all({id})[1]
  local changed
  if call('HEXISTS', K.jobs, id) == 0 then
    changed = drop(id, places)
  else
    changed = settle_places(id, places)
    changed = math.max(changed, refile_key(id), refile_in_workflow(id))
    local died = call('ZSCORE', K.dead, id)
    if died then changed = math.max(changed, refile(id, died)) else changed = math.max(changed, unfile(id)) end
  end
  mended = mended + changed
end
rouse(let_out)
if herald then herald.announce() end
save_clock()
return mended
