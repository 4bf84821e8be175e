-- Takes sessions off a lane's pending set, each only if its mark is still the one given: a newer mark
-- belongs to a newer event, or to the worker that owns the lane now.
--
-- KEYS  pending set
-- ARGV  session id and mark, again and again
-- Gives  how many left

local left = 0
for at = 1, #ARGV, 2 do
  local mark = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if mark and tonumber(mark) == tonumber(ARGV[at + 1]) then
    left = left + redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
return left
