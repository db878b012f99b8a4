-- Puts a session into a user's directory, throws out those of dead nodes, and drops the oldest past a limit.
--
-- KEYS  1 sessions
-- ARGV  1 session  2 record "holder|since|device"  3 limit (0: none)  4 … holders that are alive (none: not known)
-- Result: sessions dropped by the limit, as (session, record) …
-- O(sessions × log sessions + holders)
local session, limit = ARGV[1], tonumber(ARGV[3])
local alive = {}
for i = 4, #ARGV do alive[ARGV[i]] = true end

local others, dead = {}, {}
local entries = call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local holder, since = match(entries[i + 1], '^([^|]*)|(%d+)|')
  if #ARGV >= 4 and not alive[holder] then
    dead[#dead + 1] = entries[i]
  elseif entries[i] ~= session then
    others[#others + 1] = { entries[i], entries[i + 1], tonumber(since) }
  end
end
call('HSETNX', KEYS[1], session, ARGV[2])
for _, name in ipairs(dead) do
  if name ~= session then call('HDEL', KEYS[1], name) end
end
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
