-- What each script has before it: which server this is, so that none writes to one whose past nobody has looked at.
-- The replication id changes with every restart and every promotion, so it names a server and what it holds.

local function server()
  return redis.call('INFO', 'replication'):match('master_replid:(%x+)') or ''
end

-- `known` are the ids of servers, put after each other; '' knows them all.
local function is_strange(known)
  return known ~= '' and not known:find(server(), 1, true)
end
