-- Names the sessions that have leases though they neither live nor are being reaped. Writes nothing.
--@include keys
-- KEYS: [1] the queue's prefix
-- ARGV: 1..1000 session ids
-- RETURNS: flat list session id, leases, … of those
local stray = {}
for _, sid in ipairs(ARGV) do
  local leases = call('HLEN', K['own:' .. sid])
  if leases > 0 and not call('ZSCORE', K.sess, sid) and not call('ZSCORE', K.reaping, sid) then
    stray[#stray + 1] = sid
    stray[#stray + 1] = leases
  end
end
return stray
