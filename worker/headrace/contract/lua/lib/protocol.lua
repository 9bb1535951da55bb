-- Which protocols may meet on one queue: those that differ by SKEW at most. `meta.proto` is the highest that has ever
-- joined, so a worker that is further behind is refused; `meta.min_proto` is a floor above that, see
-- docs/decisions/0010.
local SKEW = 1

local function least_protocol(min_proto, proto)
  return math.max(tonumber(min_proto) or 0, (tonumber(proto) or 0) - SKEW)
end
