-- Takes ids off the ready path, for the session in ARGV[1].

-- Appends the first n of a line to ids, and since when they could have run to scores.
local function pop(line, n, ids, scores)
  if n <= 0 then return end
  local popped = call('ZPOPMIN', K[line], n)
  for i = 1, #popped, 2 do
    ids[#ids + 1] = popped[i]
    scores[#scores + 1] = popped[i + 1]
  end
end
