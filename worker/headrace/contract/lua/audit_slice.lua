-- Reads one slice of one structure and names the ids that break the rule "an envelope and exactly one state".
-- Scan and checks are one step, so each fault it names was a fact at that moment. Writes nothing.
--@include keys, clock, ready, lines, marks, places, gate_checks
-- KEYS: [1] the queue's prefix
-- ARGV: [1] structure (a name of keys.py), [2] scan cursor, [3] count
-- RETURNS: {next cursor, ids seen, {place, ids, …} of the sound ones (only for `jobs`),
--          {fingerprint, ids, …} (only for `dj`), {{id, fault, place, …}, …}};
--          fault: 'orphan' (no place), 'doubled' (several), 'ghost' (no envelope), 'misfiled' (dead-letter
--          structures, or those of limits or workflows, disagree), 'stuck' (waits for what will never come)
local structure = ARGV[1]
local SCAN = {hash = 'HSCAN', zset = 'ZSCAN', set = 'SSCAN'}
local sound, fingerprints, faults = {}, {}, {}

local function fault(id, kind, places)
  local named = {id, kind}
  for i = 1, #places, 2 do named[#named + 1] = places[i] end
  faults[#faults + 1] = named
end

local known_facets = {}
local function known_facet(facet)
  if known_facets[facet] == nil then known_facets[facet] = call('HEXISTS', K.facets, facet) == 1 end
  return known_facets[facet]
end

local function check_envelopes(ids)
  for i, places in ipairs(places_of_all(ids)) do
    if #places == 0 then fault(ids[i], 'orphan', places)
    elseif #places > 2 then fault(ids[i], 'doubled', places)
    else sound[places[1]] = (sound[places[1]] or 0) + 1 end
  end
end

-- Those of ids that have an envelope; the others are ghosts.
local function without_ghosts(ids)
  local real = {}
  for _, id in ipairs(ids) do
    if call('HEXISTS', K.jobs, id) == 1 then real[#real + 1] = id else fault(id, 'ghost', {structure, ''}) end
  end
  return real
end

local function check_dead(ids)
  local entries = call('HMGET', K.dj, unpack(ids))
  for i, id in ipairs(ids) do
    local facet = entries[i] and string.match(entries[i], '^(%Z*)%z')
    if not (facet and known_facet(facet) and call('ZSCORE', K['dead:' .. facet], id)) then
      fault(id, 'misfiled', {structure, ''})
    end
  end
end

local function check_is_dead(ids)
  local scores = call('ZMSCORE', K.dead, unpack(ids))
  for i, id in ipairs(ids) do if not scores[i] then fault(id, 'misfiled', {structure, ''}) end end
end

local function count_fingerprints(members)
  for i = 2, #members, 2 do
    local fingerprint = string.match(members[i], '^%Z*%z(%Z*)%z')
    if fingerprint and fingerprint ~= '' then fingerprints[fingerprint] = (fingerprints[fingerprint] or 0) + 1 end
  end
end

-- Leased ids are in the set of their limit key, parked ones in its line.
local function check_keyed(ids, family, all)
  for i, mark in ipairs(marks_of(ids)) do
    local key = mark and mark[1] or ''
    local filed = key ~= '' and call(family == 'kc:' and 'SISMEMBER' or 'ZSCORE', K[family .. key], ids[i])
    if (key ~= '' or all) and (not filed or filed == 0) then fault(ids[i], 'misfiled', {structure, ''}) end
  end
end

-- The other way round: what a limit key's structure names is in that state.
local function check_key(ids)
  local key, running = string.sub(structure, 4), string.sub(structure, 1, 3) == 'kc:'
  local marks, places = marks_of(ids), places_of_all(ids)
  for i, id in ipairs(ids) do
    local place = places[i][1]
    local right = running and (place == 'leased' or place == 'reaping') or not running and place == 'parked'
    if not right or not marks[i] or marks[i][1] ~= key then fault(id, 'misfiled', {structure, ''}) end
  end
end

-- What a workflow's jobs wait for, and whom they are expected by.
local function check_workflow(ids)
  for _, id in ipairs(ids) do
    if structure == 'awaiting' and not will_start(id) then fault(id, 'stuck', {structure, ''}) end
    if structure == 'feeds' and not feeds_rightly(id) then fault(id, 'misfiled', {structure, ''}) end
  end
end

local function check_members(ids)
  local real = without_ghosts(ids)
  if #real == 0 then return end
  local family = string.match(structure, '^%a+:')
  if structure == 'parked' then check_keyed(real, 'kw:', true)
  elseif family == 'own:' and marked() then check_keyed(real, 'kc:', false)
  elseif family == 'kc:' or family == 'kw:' then check_key(real)
  elseif structure == 'awaiting' or structure == 'feeds' then check_workflow(real) end
  if structure == 'dead' then check_dead(real)
  elseif structure == 'dj' or string.sub(structure, 1, 5) == 'dead:' then check_is_dead(real) end
end

local function flat(counts)
  local list = {}
  for name, n in pairs(counts) do
    list[#list + 1] = name
    list[#list + 1] = n
  end
  return list
end

local kind = call('TYPE', K[structure]).ok
if not SCAN[kind] then return {'0', 0, {}, {}, {}} end
local slice = call(SCAN[kind], K[structure], ARGV[2], 'COUNT', ARGV[3])
local members, step = slice[2], kind == 'set' and 1 or 2
if structure == 'dj' then count_fingerprints(members) end
local ids = {}
for i = 1, #members, step do ids[#ids + 1] = members[i] end
if #ids > 0 and structure == 'jobs' then check_envelopes(ids) elseif #ids > 0 then check_members(ids) end
return {slice[1], #ids, flat(sound), flat(fingerprints), faults}
