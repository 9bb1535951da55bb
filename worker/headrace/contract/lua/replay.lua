-- dead → ready, attempts back to none. Ids that are not dead (any more) or died after the request was accepted are passed
-- over, and so are those that were replayed as often as the request allows; what the request has moved is counted in the same step, so it never moves more than it may, however often it restarts.
--@include keys, clock, ready, marks, dead, presence, transitions
-- KEYS: [1] the queue's prefix
-- ARGV: [1] request (see accept_replay), [2] keep_ms, then 1..1000 ids
-- RETURNS: {moved now, moved in all, ids moved now, passed over since replayed too often}
--          | {-1, 0, {}, 0} the request is not known (any more) | {-2, moved in all, {}, 0} it was called off
read_clock()
local progress = K['replay:' .. ARGV[1]]
local accepted = call('HMGET', progress, 'until_us', 'most', 'replayed', 'spent', 'cancelled')
if not accepted[1] then return {-1, 0, {}, 0} end
local until_us, most, total = tonumber(accepted[1]), tonumber(accepted[2]), tonumber(accepted[3])
if accepted[5] then return {-2, total, {}, 0} end
local spent, passed = tonumber(accepted[4] or 0), 0

local function is_spent(id)
  if spent == 0 then return false end
  local value = call('HGET', K.jobs, id)
  return value and string.byte(value, 3) >= spent
end

local function revive(id, died)
  local entry = exhume(id)
  local value = call('HGET', K.jobs, id)
  if not value then return false end
  local replays = math.min(string.byte(value, 3) + 1, 255)
  call('HSET', K.jobs, id, string.sub(value, 1, 1) .. '\0' .. string.char(replays) .. string.sub(value, 4))
  note_replay(id, died, entry, replays)
  return true
end

local moved, scores = {}, {}
for i = 3, #ARGV do
  if most > 0 and total + #moved >= most then break end
  local died = tonumber(call('ZSCORE', K.dead, ARGV[i]) or -1)
  local meant = died >= 0 and died <= until_us
  if meant and is_spent(ARGV[i]) then
    passed = passed + 1
  elseif meant and revive(ARGV[i], died) then
    clock.us = clock.us + 1
    moved[#moved + 1] = ARGV[i]
    scores[#scores + 1] = clock.us
  end
end
if #moved > 0 then
  push_ready(moved, scores)
  call('HINCRBY', K.count, 'replayed', #moved)
  call('HINCRBY', progress, 'replayed', #moved)
  call('PEXPIRE', progress, ARGV[2])
  rouse(#moved)
  save_clock()
end
return {#moved, total + #moved, moved, passed}
