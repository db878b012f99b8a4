-- Puts a session into a user's directory and drops the oldest others past a limit.
--
-- KEYS  1 sessions
-- ARGV  1 session  2 record "holder|since|device"  3 limit (0: none)
-- Result: sessions dropped by the limit, as (session, record) …
-- O(1), with a limit O(sessions × log sessions)
local session, limit = ARGV[1], tonumber(ARGV[3])

local others = {}
if limit > 0 and call('HLEN', KEYS[1]) >= limit then
  local entries = call('HGETALL', KEYS[1])
  for i = 1, #entries, 2 do
    local since = match(entries[i + 1], '^[^|]*|(%d+)|')
    if entries[i] ~= session then others[#others + 1] = { entries[i], entries[i + 1], tonumber(since) } end
  end
end
call('HSETNX', KEYS[1], session, ARGV[2])
local dropped = {}
if limit > 0 and #others + 1 > limit then
  table.sort(others, function(a, b) return a[3] < b[3] or (a[3] == b[3] and a[1] < b[1]) end)
  for i = 1, #others + 1 - limit do
    call('HDEL', KEYS[1], others[i][1])
    dropped[#dropped + 1] = others[i][1]
    dropped[#dropped + 1] = others[i][2]
  end
end
return dropped
