-- The marks of new jobs, in enqueue.lua's form: {id, value, at_ms, delay_ms, priority, given, limit key, rule, unique key,
-- unique_ms, fingerprint}, where the last five may be missing. What marks mean: lib/marks.

local function has_mark(s)
  return (s[7] or '') ~= '' or (s[9] or '') ~= '' or (s[11] or '') ~= ''
end

-- The first mark of a queue raises its floor: older workers would not keep to it. Beside such a worker nothing changes,
-- and what is returned is the error.
local function refuse_marks(specials)
  if clock.marks then return nil end
  for _, s in ipairs(specials) do
    if has_mark(s) then
      local older = raise_floor(LIMITS_SINCE)
      if older then
        return redis.error_reply('UPGRADE a worker of this queue speaks protocol ' .. older
          .. ', limits and unique jobs need ' .. LIMITS_SINCE .. ': upgrade the workers first; nothing was enqueued')
      end
      call('HSET', K.meta, 'marks', '1')
      clock.marks = true
      return nil
    end
  end
end

local function set_mark(s)
  if has_mark(s) then call('HSET', K.marks, s[1], cmsgpack.pack({s[7], s[8], s[9] or '', s[11] or ''})) end
end
