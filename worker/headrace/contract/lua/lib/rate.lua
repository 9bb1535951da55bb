-- The token bucket, as its theoretical arrival time (GCRA): one number, tat, µs, on Redis's clock.
-- A rule is {concurrency (0: any), interval µs between jobs (0: any rate), burst: most at once after a rest}.

-- How many may go now, and from when, µs, at least one may.
local function allowance(tat, rule)
  local from = math.max(tat, clock.us)
  return math.floor(rule[3] + (clock.us - from) / rule[2]), from - (rule[3] - 1) * rule[2]
end

local function spend(tat, rule, n)
  return math.max(tat, clock.us) + n * rule[2]
end
