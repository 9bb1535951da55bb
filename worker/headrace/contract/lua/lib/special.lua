-- (new) → ready | scheduled | awaiting: jobs in enqueue.lua's form, see lib/marking and lib/flowing; and the first job where an id or key is taken.

-- The job that a given id names already, and whether it was enqueued with other arguments.
local function first_of_id(id, fingerprint)
  local first = call('GET', K['i:' .. id])
  if not first then
    if call('HEXISTS', K.jobs, id) == 0 then return nil end
    local mark = call('HGET', K.marks, id)
    first = mark and cmsgpack.unpack(mark)[4] or ''
  end
  local known = first ~= '' and first ~= '1' and fingerprint ~= ''
  return id, known and first ~= fingerprint
end

local function first_of_key(unique)
  local first = call('GET', K['u:' .. unique])
  return first and call('HEXISTS', K.jobs, first) == 1 and first or nil
end

local function first_of(s)
  local first, conflict
  if s[6] then first, conflict = first_of_id(s[1], s[11] or '') end
  if not first and (s[9] or '') ~= '' then first = first_of_key(s[9]) end
  return first, conflict
end

-- Returns how many are ready by it: 0 of one for later.
local function add_special(s, keep_ms)
  local id, fingerprint, unique = s[1], s[11] or '', s[9] or ''
  if s[6] then call('SET', K['i:' .. id], fingerprint ~= '' and fingerprint or '1', 'PX', keep_ms) end
  if unique ~= '' then call('SET', K['u:' .. unique], id, 'PX', s[10]) end
  set_mark(s)
  call('HSET', K.jobs, id, s[2])
  if s[5] ~= 'default' then call('HSET', K.prio, id, s[5]) end
  if s[12] and enter_workflow(s) then return 0 end
  local due = s[4] > 0 and clock.ms + s[4] or s[3]
  if due > clock.ms then
    schedule(id, due)
    return 0
  end
  clock.us = clock.us + 1
  push_ready({id}, {clock.us})
  return 1
end
