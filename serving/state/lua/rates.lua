-- Takes one token for each of several requests out of each of its buckets, or none out of any.
-- A bucket is one number: when, in microseconds, it is full again. What is not there is full. The clock is this
-- server's, so that endpoints whose clocks differ count alike; one that was set back empties a bucket at the worst.
--
-- KEYS  buckets, each once (one slot)
-- ARGV  for each key: microseconds a token takes to come, and microseconds an empty bucket takes to be full;
--       then for each request: how many buckets it has, and the places of their keys
-- Gives  the clock; for each request a figure: 0 (admitted), or which of its buckets lacked a token;
--        and for each that was refused, after how many microseconds it has one

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = #KEYS > 0 and redis.call('MGET', unpack(KEYS)) or {}

local interval, depth, full_at, touched = {}, {}, {}, {}
for i = 1, #KEYS do
  interval[i], depth[i] = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  full_at[i] = math.min(math.max(tonumber(held[i] or '') or now, now), now + depth[i])
end

local fates, waits = {}, {}
local at = 2 * #KEYS + 1
while ARGV[at] do
  local count, lacking, wait = tonumber(ARGV[at]), 0, 0
  for place = 1, count do
    local i = tonumber(ARGV[at + place])
    wait = full_at[i] + interval[i] - now - depth[i]
    if wait > 0 then
      lacking = place
      break
    end
  end
  fates[#fates + 1] = lacking
  if lacking > 0 then
    waits[#waits + 1] = string.format('%.0f', wait)
  else
    for place = 1, count do
      local i = tonumber(ARGV[at + place])
      full_at[i], touched[i] = full_at[i] + interval[i], true
    end
  end
  at = at + count + 1
end

for i in pairs(touched) do
  local left_ms = math.ceil((full_at[i] - now) / 1000) + BUCKET_GRACE_MS
  redis.call('SET', KEYS[i], string.format('%.0f', full_at[i]), 'PX', left_ms)
end
return { string.format('%.0f', now), table.concat(fates), unpack(waits) }
