-- How many jobs are on the ready path, however its lines are kept (lib/ready).
local function ready_count()
  local total = ready_in('suspects')
  for _, p in ipairs(PRIORITIES) do total = total + ready_in('ready:' .. p) end
  return total
end
