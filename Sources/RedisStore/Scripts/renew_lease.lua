-- Extends a node's lease by the server's clock, removes those that ran out, and tells who is alive.
--
-- KEYS  1 leases
-- ARGV  1 incarnation  2 record  3 ms from now
-- Result: '1' when the lease had run out or was not there, otherwise '0'; then (incarnation, record) … of the living,
--         the asking one among them
-- O(nodes)
local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local answer, dead, lost = { '1' }, {}, true
local leases = call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
  local till, record = match(leases[i + 1], '^(%d+)|(.*)$')
  if tonumber(till) <= now then
    dead[#dead + 1] = leases[i]
  elseif leases[i] == ARGV[1] then
    lost = false
  else
    answer[#answer + 1] = leases[i]
    answer[#answer + 1] = record
  end
end
call('HSET', KEYS[1], ARGV[1], str(now + tonumber(ARGV[3])) .. '|' .. ARGV[2])
for _, name in ipairs(dead) do
  if name ~= ARGV[1] then call('HDEL', KEYS[1], name) end
end
if not lost then answer[1] = '0' end
answer[#answer + 1] = ARGV[1]
answer[#answer + 1] = ARGV[2]
return answer
