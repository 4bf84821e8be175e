-- Folds records into a user's profile, atomically; the twin of schemas/profile.py: fold.
--
-- KEYS  profile
-- ARGV  known servers (see server.lua), how long the profile lives, how long one with an erase marker does, both in ms,
--       then for each record, in the order of its partition:
--         type code (0 = erase), record time, ts, lane, offset, item id
-- Gives  outcome letters, and '1' where there was no profile before, else '';
--        or '!' and this server's id where it is not known, and nothing is changed
--
-- schemas/traits.py describes the packed fields.

local function hour(now) return math.floor(now / HOUR_MS) end

-- Whether the bytes of `a` come before those of `b`. Lua's own < asks the server's locale.
local function precedes(a, b)
  for at = 1, math.min(#a, #b) do
    local x, y = a:byte(at), b:byte(at)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Below 0 where deed `a` has the earlier place, above where `b` has, 0 where it is the same.
local function compared(a, b)
  local by = hour(a.last) - hour(b.last)
  if by == 0 then by = a.kind - b.kind end
  if by ~= 0 then return by end
  if a.item == b.item then return 0 end
  return precedes(a.item, b.item) and -1 or 1
end

local function unpacked(packed)
  local deeds, at = {}, 1
  while at <= #packed do
    local last, kind, count, length = struct.unpack('>I8BI2I2', packed, at)
    at = at + 13 + length
    deeds[#deeds + 1] = { last = last, kind = kind, count = count, item = packed:sub(at - length, at - 1) }
  end
  return deeds
end

local function packed(deeds)
  local parts = {}
  for at, deed in ipairs(deeds) do
    parts[at] = struct.pack('>I8BI2I2', deed.last, deed.kind, deed.count, #deed.item) .. deed.item
  end
  return table.concat(parts)
end

-- Most deeds are the latest, so their place is looked for from the end.
local function add(deeds, new, most)
  local at, by = #deeds, 1
  while at > 0 do
    by = compared(new, deeds[at])
    if by >= 0 then break end
    at = at - 1
  end
  if by == 0 then
    local deed = deeds[at]
    deed.last, deed.count = math.max(deed.last, new.last), math.min(deed.count + 1, COUNT_MAX)
    return
  end
  table.insert(deeds, at + 1, new)
  if #deeds > most then table.remove(deeds, 1) end
end

local function after(deeds, erased)
  local left = {}
  for _, deed in ipairs(deeds) do
    if hour(deed.last) > hour(erased) then left[#left + 1] = deed end
  end
  return left
end

-- In the same step as the writes; see fold.lua.
if is_strange(ARGV[1]) then return { '!', server() } end

local had, flat = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do had[flat[i]] = flat[i + 1] end
if had.f and had.f ~= TRAITS_FORMAT then error('nextclick: profile of format ' .. had.f) end

local erased = tonumber(had.e)
local guards, outcomes = {}, {}

-- By field, those that were looked into. Most of a script's time goes into unpacking.
local lists = {}
local function deeds_of(name)
  lists[name] = lists[name] or unpacked(had[name] or '')
  return lists[name]
end

for at = 4, #ARGV, 6 do
  local kind, now, ts = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local guard, offset = 'o:' .. ARGV[at + 3], tonumber(ARGV[at + 4])
  local outcome
  if offset <= tonumber(guards[guard] or had[guard] or -1) then
    outcome = 's'
  else
    -- Whatever else happens: by the end of its lane the guard must be the same, whichever lane was first.
    guards[guard] = string.format('%.0f', offset)
    if kind == ERASE then
      erased = math.max(now, erased or 0)
      lists.b, lists.l, outcome = after(deeds_of('b'), erased), after(deeds_of('l'), erased), 'e'
    elseif erased and hour(now) <= hour(erased) then
      outcome = 'f'
    elseif ts < now - LATE_MS then
      outcome = 'l'
    else
      local deed = { last = now, kind = kind, count = 1, item = ARGV[at + 5] }
      if kind == PURCHASE then add(deeds_of('b'), deed, BOUGHT_KEPT) else add(deeds_of('l'), deed, LIKED_KEPT) end
      outcome = 'a'
    end
  end
  outcomes[#outcomes + 1] = outcome
end

if next(guards) then
  local has = guards
  has.f, has.e = TRAITS_FORMAT, erased and string.format('%.0f', erased)
  local set = {}
  for name, deeds in pairs(lists) do
    if #deeds > 0 then has[name] = packed(deeds) else redis.call('HDEL', KEYS[1], name) end
  end
  for name, value in pairs(has) do
    if had[name] ~= value then
      set[#set + 1] = name
      set[#set + 1] = value
    end
  end
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('PEXPIRE', KEYS[1], ARGV[erased and 3 or 2])
end
return { table.concat(outcomes), had.f and '' or '1' }
