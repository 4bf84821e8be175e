-- Writes watermarks in the place of what their writer knows to be there.
--
-- KEYS  watermarks (one slot)
-- ARGV  known servers (see server.lua), then for each key: how what it holds must end ('' = it holds nothing), and
--       what it shall hold
-- Gives  a letter for each key: 'm' (moved), 'g' (gone: it holds nothing), 'f' (foreign: another's);
--        or '!' and this server's id where it is not known, and nothing is changed

if is_strange(ARGV[1]) then return { '!', server() } end

local fates = {}
for i, key in ipairs(KEYS) do
  local held, due = redis.call('GET', key) or '', ARGV[2 * i]
  if held == due or (due ~= '' and held:sub(-#due) == due) then
    redis.call('SET', key, ARGV[2 * i + 1], 'PX', WATERMARK_TTL_MS)
    fates[i] = 'm'
  else
    fates[i] = held == '' and 'g' or 'f'
  end
end
return { table.concat(fates) }
