-- The token bucket, as its theoretical arrival time (GCRA): one number, tat, µs, on Redis's clock.
-- A rule is {concurrency (0: any), interval µs between jobs (0: any rate), burst: most at once after a rest}.

-- How many may go now, and from when, µs, at least one may.
local function allowance(tat, rule)
  local from = math.max(tat, clock.us)
  return math.floor(rule[3] + (clock.us - from) / rule[2]), from - (rule[3] - 1) * rule[2]
end

-- A rule that changes takes what is spent along: the time until the bucket is full again, at the new interval.
local function rescaled(tat, old_interval, interval)
  if tat <= clock.us or old_interval == interval then return tat end
  return clock.us + math.ceil((tat - clock.us) * interval / old_interval)
end

local function spend(tat, rule, n)
  return math.max(tat, clock.us) + n * rule[2]
end
