-- Which zsets hold the dead letters of a task and a reason.

-- Calls see(zset, facet) for those of a task and a reason ('': any, else `=` and its name).
local function each_facet(task_wanted, reason_wanted, see)
  for _, facet in ipairs(call('HKEYS', K.facets)) do
    local task, reason = string.match(facet, '^([^|]*)|(.*)$')
    if (task_wanted == '' or task_wanted == '=' .. task) and (reason_wanted == '' or reason_wanted == '=' .. reason) then
      see(K['dead:' .. facet], facet)
    end
  end
end
