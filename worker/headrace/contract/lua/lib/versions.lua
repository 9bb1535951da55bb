-- Which version a session is of, and when one was last seen.

local function version_in(presence)
  local version = presence_in(presence)[2]
  return type(version) == 'string' and version or ''
end

-- The version of a session, '' if it can't be read.
local function version_of(sid)
  return version_in(call('HGET', K.workers, sid))
end

-- One of its sessions begins or ends.
local function note_version(version)
  call('ZADD', K.seen, clock.ms, version)
end
