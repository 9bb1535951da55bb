-- Takes ids off a session, at most CHUNK a call, in the order of their claims where Redis keeps one.
local CHUNK = 500

local function take_some(own)
  local ids = call('HLEN', own) <= CHUNK and call('HKEYS', own) or call('HRANDFIELD', own, CHUNK)
  if #ids > 0 then call('HDEL', own, unpack(ids)) end
  return ids
end
