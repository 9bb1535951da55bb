-- (new) → ready: the n plain jobs of an enqueue, pairs of id and value from ARGV[first] on, their envelopes already in `jobs`.
local function push_plain(first, n)
  local scored = {}
  local us = clock.us
  for i = 1, n do
    scored[2 * i - 1] = us + i
    scored[2 * i] = ARGV[first + 2 * i - 2]
  end
  clock.us = us + n
  call('ZADD', K['ready:default'], unpack(scored))
end
