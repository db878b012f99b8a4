-- Takes sessions out of a user's directory; when the last visible one goes, notes when that was.
--
-- KEYS  1 meta  2 sessions
-- ARGV  1 now (ms)  2 … sessions
-- Result: how many were there
-- O(sessions given + sessions left). HDEL is never refused for want of memory, so in such a time only "last seen" may be
-- missing
local function is_visible(record) return not find(record, '|!', 1, true) end

local removed, ended = 0, false
for i = 2, #ARGV do
  local record = call('HGET', KEYS[2], ARGV[i])
  if record then
    removed = removed + call('HDEL', KEYS[2], ARGV[i])
    ended = ended or is_visible(record)
  end
end
if not ended then return removed end
for _, record in ipairs(call('HVALS', KEYS[2])) do
  if is_visible(record) then return removed end
end
-- Whoever takes out what a dead node left tells of a time before now.
if tonumber(ARGV[1]) > tonumber(call('HGET', KEYS[1], 'z') or 0) then call('HSET', KEYS[1], 'z', ARGV[1]) end
return removed
