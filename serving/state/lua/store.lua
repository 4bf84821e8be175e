-- Stores the list ranked for a session's state, unless something newer forbids it.
--
-- KEYS  session, erase marker, recommendation, session vector (one slot)
-- ARGV  started, version, lane and offset and ts and record time of the trigger, body up to its revision, the items
--       that are not published, offsets applied, fingerprint, channel, vector or '', the vector's tag
-- Gives  the revision, or -1 and why: 'gone' (no session, or another incarnation), 'erased', 'older'

local started, version = ARGV[1], ARGV[2]
local header = redis.call('HGET', KEYS[1], 'h')
if not header or struct.unpack('>I8', header) ~= tonumber(started) then return { -1, 'gone' } end

-- A session made anew in the very millisecond of its erasure looks like the old one; the marker tells.
local marker = redis.call('HMGET', KEYS[2], 'lane', 'offset', 'at')
if marker[1] and ((marker[1] == ARGV[3] and tonumber(ARGV[4]) <= tonumber(marker[2]))
    or (marker[1] ~= ARGV[3] and tonumber(ARGV[6]) <= tonumber(marker[3]))
    or tonumber(ARGV[5]) <= tonumber(marker[3])) then
  return { -1, 'erased' }
end

local revision = 0
local stored = redis.call('HGET', KEYS[3], 't')
if stored then
  local s, v, r = stored:match('^(%d+)%.(%d+)%.(%d+)$')
  s, v = tonumber(s), tonumber(v)
  if s > tonumber(started) or (s == tonumber(started) and v > tonumber(version)) then return { -1, 'older' } end
  if s == tonumber(started) and v == tonumber(version) then revision = tonumber(r) + 1 end
end

local triple = started .. '.' .. version .. '.' .. revision
redis.call('HSET', KEYS[3], 't', triple, 'body', ARGV[7] .. revision .. '}', 'more', ARGV[8], 'o', ARGV[9])
local left = redis.call('PTTL', KEYS[1]) -- derivations go when their session goes
redis.call('PEXPIRE', KEYS[3], left)
if ARGV[12] ~= '' then
  redis.call('HSET', KEYS[4], 'v', ARGV[12], 'tag', ARGV[13])
  redis.call('PEXPIRE', KEYS[4], left)
end
redis.call('PUBLISH', ARGV[11], ARGV[10] .. ' ' .. triple)
return { revision }
