-- Reads watermarks, and which server they lie on.
--
-- KEYS  watermarks (one slot)
-- Gives  this server's id, then what each key holds, or ''

local answer = { server() }
for i, key in ipairs(KEYS) do answer[i + 1] = redis.call('GET', key) or '' end
return answer
