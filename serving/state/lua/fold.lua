-- Folds records into one session, atomically; the twin of schemas/session.py: fold.
--
-- KEYS  session, erase marker, recommendation, session vector (one slot)
-- ARGV  idle limit in ms, known servers (see server.lua), then for each record, in the order of its partition:
--         type code (0 = erase), record time, ts, lane, offset, event id hash, event id, n, n item ids
-- Gives  outcome letters, the triple last ranked or '', then the session hash as it now is;
--        or '!' and this server's id where it is not known, and nothing is changed
--
-- The limits (RECENT_MAX, AGE_MS, ...) stand before this file, put there from schemas/session.py, so that
-- there is one of each. schemas/facts.py describes the packed fields.

local function is_over(s, now, idle)
  return now - s.seen > idle or now - s.started > AGE_MS
end

local function knows(ids, hash)
  local from = 1
  while true do
    local at = ids:find(hash, from, true)
    if not at then return false end
    if at % 8 == 1 then return true end -- a match across two hashes is none
    from = at + 1
  end
end

-- A packed list of item ids without `item`, and how many entries are left.
local function without(packed, count, item)
  local at = 1
  while at <= #packed do
    local length = struct.unpack('>I2', packed, at)
    local stop = at + 2 + length
    if length == #item and packed:sub(at + 2, stop - 1) == item then
      return packed:sub(1, at - 1) .. packed:sub(stop), count - 1
    end
    at = stop
  end
  return packed, count
end

-- The list with `item` as its latest, once, and at most `most` entries.
local function with(packed, count, item, most)
  packed, count = without(packed, count, item)
  packed, count = packed .. struct.pack('>I2', #item) .. item, count + 1
  if count > most then
    packed, count = packed:sub(3 + struct.unpack('>I2', packed)), most
  end
  return packed, count
end

-- The ids shown, as a table: a widget reports thirty at once, so they are unpacked once a script, not once an id.
local function unpacked(packed)
  local items, at = {}, 1
  while at <= #packed do
    local stop = at + 2 + struct.unpack('>I2', packed, at)
    items[#items + 1] = packed:sub(at + 2, stop - 1)
    at = stop
  end
  return items
end

local function packed(items)
  local parts = {}
  for i, item in ipairs(items) do parts[i] = struct.pack('>I2', #item) .. item end
  return table.concat(parts)
end

local function show(s, items)
  s.shown = s.shown or unpacked(s.s)
  for _, item in ipairs(items) do
    for at, other in ipairs(s.shown) do
      if other == item then table.remove(s.shown, at); break end
    end
    s.shown[#s.shown + 1] = item
    if #s.shown > SHOWN_MAX then table.remove(s.shown, 1) end
  end
end

local function fresh(started, guards)
  return {
    started = started, seen = started, version = 0, guards = guards,
    recent = 0, carted = 0, purchased = 0, shown_count = 0,
    r = '', c = '', b = '', s = '', i = '', l = '',
  }
end

local function opened(hash)
  local s = fresh(0, {})
  if not hash.h then return s end
  if hash.f ~= FORMAT then error('nextclick: session of format ' .. tostring(hash.f)) end
  s.started, s.seen, s.version, s.recent, s.carted, s.purchased, s.shown_count = struct.unpack('>I8I8I4BBBB', hash.h)
  for _, name in ipairs({ 'r', 'c', 'b', 's', 'i', 'l' }) do s[name] = hash[name] or '' end
  for name, value in pairs(hash) do
    if name:sub(1, 2) == 'o:' then s.guards[name:sub(3)] = value end
  end
  return s
end

local function closed(s)
  if s.shown then s.s, s.shown_count = packed(s.shown), #s.shown end
  local hash = {
    f = FORMAT,
    h = struct.pack('>I8I8I4BBBB', s.started, s.seen, s.version, s.recent, s.carted, s.purchased, s.shown_count),
  }
  for _, name in ipairs({ 'r', 'c', 'b', 's', 'i', 'l' }) do
    if s[name] ~= '' then hash[name] = s[name] end
  end
  for lane, offset in pairs(s.guards) do hash['o:' .. lane] = offset end
  return hash
end

-- True when the event changed something that ranking looks at.
local function applied(s, record, ts)
  local item = record.items[1]
  if record.kind == IMPRESSION then
    show(s, record.items)
    return false
  end
  if record.kind == REMOVE then
    local before = s.carted
    s.c, s.carted = without(s.c, s.carted, item)
    return s.carted < before
  end
  s.r, s.recent = s.r .. struct.pack('>BI8I2', record.kind, ts, #item) .. item, s.recent + 1
  if s.recent > RECENT_MAX then
    local length = struct.unpack('>I2', s.r, 10)
    s.r, s.recent = s.r:sub(12 + length), RECENT_MAX
  end
  if record.kind == CART then
    s.c, s.carted = with(s.c, s.carted, item, CART_MAX)
  elseif record.kind == PURCHASE then
    s.c, s.carted = without(s.c, s.carted, item)
    s.b, s.purchased = with(s.b, s.purchased, item, BOUGHT_MAX)
  end
  return true
end

-- The session after a record that passed guard and marker, and what became of it.
local function taken(s, record, idle)
  local now = record.now
  local over = s.started == 0 or is_over(s, now, idle)
  if not over and knows(s.i, record.hash) then return s, 'd' end
  if record.ts < now - LATE_MS then return s, 'l' end
  if over then s = fresh(now, s.guards) end
  local ts = math.min(record.ts, now + FUTURE_MS)
  s.seen = math.max(s.seen, now)
  s.i = (s.i .. record.hash):sub(-8 * IDS_MAX)
  if not applied(s, record, ts) then return s, 'u' end
  s.version = s.version + 1
  s.l = struct.pack('>I8I8I8B', ts, now, record.offset, #record.lane) .. record.lane .. record.event
  return s, ts == record.ts and 'a' or 'c'
end

-- It came to Kafka before the erasure. Of another lane, to which more partitions may move a session, only time tells.
local function is_past(marker, record)
  if not marker.lane then return false end
  if marker.lane == record.lane then return record.offset <= tonumber(marker.offset) end
  return record.now <= tonumber(marker.at)
end

local function pairs_to_table(flat)
  local hash = {}
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  return hash
end

-- In here and nowhere before: between a look and a write a replica that lacks the last second may take over, and
-- one event folded there would set a guard past those it lacks.
if is_strange(ARGV[2]) then return { '!', server() } end

local had = pairs_to_table(redis.call('HGETALL', KEYS[1]))
local marker = pairs_to_table(redis.call('HGETALL', KEYS[2]))
local s = had.h and opened(had) or nil
local idle = tonumber(ARGV[1])
local outcomes, touched, erased = {}, false, false
local at = 3

while at <= #ARGV do
  local record = {
    kind = tonumber(ARGV[at]), now = tonumber(ARGV[at + 1]), ts = tonumber(ARGV[at + 2]), lane = ARGV[at + 3],
    offset = tonumber(ARGV[at + 4]), hash = ARGV[at + 5], event = ARGV[at + 6], items = {},
  }
  local count = tonumber(ARGV[at + 7])
  for i = 1, count do record.items[i] = ARGV[at + 7 + i] end
  at = at + 8 + count

  local outcome
  if s and record.offset <= tonumber(s.guards[record.lane] or -1) then
    outcome = 's'
  elseif is_past(marker, record) then
    outcome = record.kind == ERASE and 's' or 'f'
  elseif record.kind == ERASE then
    marker = {
      lane = record.lane, offset = string.format('%.0f', record.offset),
      at = string.format('%.0f', math.max(record.now, tonumber(marker.at or 0))),
    }
    s, touched, erased, outcome = nil, false, true, 'e'
  elseif marker.at and record.ts <= tonumber(marker.at) then
    outcome = 'f'
  else
    s = s or fresh(0, {})
    -- From here on the guard advances, whatever else happens: every later look at this record is stale.
    s.guards[record.lane] = string.format('%.0f', record.offset)
    s, outcome = taken(s, record, idle)
    touched = true
  end
  outcomes[#outcomes + 1] = outcome
end

if erased then
  redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[2], 'lane', marker.lane, 'offset', marker.offset, 'at', marker.at)
  redis.call('PEXPIRE', KEYS[2], MARKER_TTL_MS)
  had = {}
end

local has = s and closed(s) or {}
if touched then
  local set, gone = {}, {}
  for name, value in pairs(has) do
    if had[name] ~= value then set[#set + 1] = name; set[#set + 1] = value end
  end
  for name in pairs(had) do
    if not has[name] then gone[#gone + 1] = name end
  end
  if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
  if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
  local left = s.started == 0 and IDLE_TTL_MS or s.started + AGE_TTL_MS - s.seen
  redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(IDLE_TTL_MS, left)))
end

local answer = { table.concat(outcomes), redis.call('HGET', KEYS[3], 't') or '' }
for name, value in pairs(has) do answer[#answer + 1] = name; answer[#answer + 1] = value end
return answer
