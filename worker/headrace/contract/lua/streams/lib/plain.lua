-- (new) → ready: the n plain jobs of an enqueue, pairs of id and value from ARGV[first] on, their envelopes already in `jobs`.
local function push_plain(first, n)
  local stream, located = K['ready:default'], {}
  for i = 1, n do
    local id = ARGV[first + 2 * i - 2]
    located[2 * i - 1] = id
    located[2 * i] = 'ready:default ' .. call('XADD', stream, '*', 'id', id)
  end
  call('HSET', K.at, unpack(located))
  clock.us = clock.us + n
end
