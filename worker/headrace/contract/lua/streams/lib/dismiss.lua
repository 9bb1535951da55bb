-- The session is gone, and all it held has found its place. So has all that is pending with it, unless others have meddled:
-- with its consumer Redis would forget that.
local function dismiss(sid)
  for _, line in ipairs({'suspects', 'ready:high', 'ready:default', 'ready:low'}) do
    local left = pending_of(line, sid, 1000)
    if #left > 0 then put_back(line, left) end
    if #pending_of(line, sid, 1) == 0 then redis.pcall('XGROUP', 'DELCONSUMER', K[line], GROUP, sid) end
  end
end
