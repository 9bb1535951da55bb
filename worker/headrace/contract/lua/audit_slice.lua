-- Reads one slice of one structure and names the ids that break the rule "an envelope and exactly one state".
-- Scan and checks are one step, so each fault it names was a fact at that moment. Writes nothing.
--@include keys, places
-- KEYS: [1] the queue's prefix
-- ARGV: [1] structure (a name of keys.py), [2] scan cursor, [3] count
-- RETURNS: {next cursor, ids seen, {place, ids, …} of the sound ones (only for `jobs`),
--          {fingerprint, ids, …} (only for `dj`), {{id, fault, place, …}, …}};
--          fault: 'orphan' (no place), 'doubled' (several), 'ghost' (no envelope), 'misfiled' (dead-letter structures disagree)
local structure = ARGV[1]
local SCAN = {hash = 'HSCAN', zset = 'ZSCAN', set = 'SSCAN'}
local sound, fingerprints, faults = {}, {}, {}

local function fault(id, kind, places)
  local named = {id, kind}
  for i = 1, #places, 2 do named[#named + 1] = places[i] end
  faults[#faults + 1] = named
end

local function filed(id)
  local entry = call('HGET', K.dj, id)
  local facet = entry and string.match(entry, '^(%Z*)%z')
  return facet and call('ZSCORE', K['dead:' .. facet], id) and call('HEXISTS', K.facets, facet) == 1
end

local function check_envelope(id)
  local places = places_of(id)
  if #places == 0 then return fault(id, 'orphan', places) end
  if #places > 2 then return fault(id, 'doubled', places) end
  sound[places[1]] = (sound[places[1]] or 0) + 1
end

local function check_member(id, value)
  if call('HEXISTS', K.jobs, id) == 0 then return fault(id, 'ghost', {structure, ''}) end
  if structure == 'dead' and not filed(id) then return fault(id, 'misfiled', {structure, ''}) end
  if (structure == 'dj' or string.sub(structure, 1, 5) == 'dead:') and not call('ZSCORE', K.dead, id) then
    return fault(id, 'misfiled', {structure, ''})
  end
  if structure == 'dj' then
    local fingerprint = string.match(value, '^%Z*%z(%Z*)%z')
    if fingerprint and fingerprint ~= '' then fingerprints[fingerprint] = (fingerprints[fingerprint] or 0) + 1 end
  end
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
for i = 1, #members, step do
  if structure == 'jobs' then check_envelope(members[i]) else check_member(members[i], members[i + 1]) end
end
return {slice[1], #members / step, flat(sound), flat(fingerprints), faults}
