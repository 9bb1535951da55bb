-- What stays of jobs that have ended where their task keeps results (`keep`, or a result that says so), and who is told:
-- the channel of whoever enqueued them, one message per channel and call. Jobs of other tasks pay for nothing: the
-- functions are made when the first is called, since making them is most of what a call without results would cost.
local SWEEP = 10
local CANCELLED = '\193cancelled' -- no msgpack value begins with this byte
local herald

local function make_herald()
  local told, any_keeps = {}, nil

  local function tell(id, task, how)
    -- an id made by headrace is its process's stem and a number; any other is a channel of its own
    local stem = string.match(id, '^(%x+)%-%x+$')
    if not stem or #stem ~= 12 then stem = id end
    local list = told[stem]
    if not list then list = {}; told[stem] = list end
    for _, v in ipairs({id, task, how}) do list[#list + 1] = v end
  end

  -- The newest `most` results of a task stay. Each call takes away a few more than it adds, so a lower bound is
  -- reached step by step; ids whose result has expired go too.
  local function bound(id, ttl_ms, task, most)
    local index = K['kept:' .. task]
    clock.us = clock.us + 1
    call('ZADD', index, clock.us, id)
    local expired = call('ZRANGEBYSCORE', index, '-inf', clock.us - ttl_ms * 1000, 'LIMIT', 0, SWEEP)
    if #expired > 0 then call('ZREM', index, unpack(expired)) end
    local over = math.min(call('ZCARD', index) - most, SWEEP)
    if over <= 0 then return end
    local oldest = call('ZPOPMIN', index, over)
    for i = 1, #oldest, 2 do call('UNLINK', K['r:' .. oldest[i]]) end
  end

  herald = {}

  -- A job ends without a result; called while its envelope is still there. keep_ms: nil to ask for its task's.
  function herald.note(id, how, keep_ms)
    if any_keeps == nil then any_keeps = call('EXISTS', K.keep) == 1 end
    if not (keep_ms or any_keeps) then return end
    local value = call('HGET', K.jobs, id)
    local task = value and string.sub(value, 5, 4 + string.byte(value, 4)) or ''
    keep_ms = keep_ms or call('HGET', K.keep, task)
    if not keep_ms then return end
    if how == 'cancelled' then call('SET', K['r:' .. id], CANCELLED, 'PX', keep_ms) end
    tell(id, task, how)
  end

  -- task: nil from workers that know no more than the time to keep it; most: 0 for no bound.
  function herald.keep(id, result, ttl_ms, task, most)
    call('SET', K['r:' .. id], result, 'PX', ttl_ms)
    if not task or task == '' then return end
    if most > 0 then bound(id, ttl_ms, task, most) end
    tell(id, task, 'done')
  end

  -- Once, at the end of a call. A refused PUBLISH (an ACL without channels) fails nobody: who waits polls as well.
  function herald.announce()
    for stem, list in pairs(told) do redis.pcall('PUBLISH', K['done:' .. stem], cmsgpack.pack(list)) end
  end
  return herald
end

local function note_end(id, how, keep_ms) return (herald or make_herald()).note(id, how, keep_ms) end
local function keep_result(...) return (herald or make_herald()).keep(...) end
