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

local function packed(deed)
  local length = #deed.item
  return struct.pack('>I8BI2I2', deed.last, deed.kind, deed.count, length) .. deed.item .. struct.pack('>I2', length)
end

-- The deed that ends there, and where it begins.
local function before(deeds, stop)
  local start = stop - 14 - struct.unpack('>I2', deeds, stop - 1)
  local last, kind, count = struct.unpack('>I8BI2', deeds, start)
  return { last = last, kind = kind, count = count, item = deeds:sub(start + 13, stop - 2) }, start
end

-- Without the first, the number of the others before them.
local function but_first(deeds)
  return string.char(deeds:byte(1) - 1) .. deeds:sub(17 + struct.unpack('>I2', deeds, 13))
end

-- Most deeds are the latest, so their place is looked for from the end, and the rest is left packed.
local function with(deeds, new, most)
  if deeds == '' then deeds = '\0' end
  local stop = #deeds
  while stop > 1 do
    local deed, start = before(deeds, stop)
    local by = compared(new, deed)
    if by == 0 then
      deed.last, deed.count = math.max(deed.last, new.last), math.min(deed.count + 1, COUNT_MAX)
      return deeds:sub(1, start - 1) .. packed(deed) .. deeds:sub(stop + 1)
    end
    if by > 0 then break end
    stop = start - 1
  end
  deeds = string.char(deeds:byte(1) + 1) .. deeds:sub(2, stop) .. packed(new) .. deeds:sub(stop + 1)
  return deeds:byte(1) > most and but_first(deeds) or deeds
end

local function after(deeds, erased)
  while #deeds > 1 and hour(struct.unpack('>I8', deeds, 2)) <= hour(erased) do deeds = but_first(deeds) end
  return #deeds > 1 and deeds or ''
end

-- In the same step as the writes; see fold.lua.
if is_strange(ARGV[1]) then return { '!', server() } end

local had, flat = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do had[flat[i]] = flat[i + 1] end
if had.f and had.f ~= TRAITS_FORMAT then error('nextclick: profile of format ' .. had.f) end

local erased = tonumber(had.e)
local has, outcomes = {}, {}
local bought, liked = had.b or '', had.l or ''

for at = 4, #ARGV, 6 do
  local kind, now, ts = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local guard, offset = 'o:' .. ARGV[at + 3], tonumber(ARGV[at + 4])
  local outcome
  if offset <= tonumber(has[guard] or had[guard] or -1) then
    outcome = 's'
  else
    -- Whatever else happens: by the end of its lane the guard must be the same, whichever lane was first.
    has[guard] = string.format('%.0f', offset)
    if kind == ERASE then
      erased = math.max(now, erased or 0)
      bought, liked, outcome = after(bought, erased), after(liked, erased), 'e'
    elseif erased and hour(now) <= hour(erased) then
      outcome = 'f'
    elseif ts < now - LATE_MS then
      outcome = 'l'
    else
      local deed = { last = now, kind = kind, count = 1, item = ARGV[at + 5] }
      if kind == PURCHASE then bought = with(bought, deed, BOUGHT_KEPT) else liked = with(liked, deed, LIKED_KEPT) end
      outcome = 'a'
    end
  end
  outcomes[#outcomes + 1] = outcome
end

if next(has) then
  has.f, has.b, has.l, has.e = TRAITS_FORMAT, bought, liked, erased and string.format('%.0f', erased)
  local set = {}
  for name, value in pairs(has) do
    if value == '' then
      if had[name] then redis.call('HDEL', KEYS[1], name) end
    elseif had[name] ~= value then
      set[#set + 1] = name
      set[#set + 1] = value
    end
  end
  redis.call('HSET', KEYS[1], unpack(set))
  redis.call('PEXPIRE', KEYS[1], ARGV[erased and 3 or 2])
end
return { table.concat(outcomes), had.f and '' or '1' }
