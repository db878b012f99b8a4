-- Claims conversations whose members are not all advanced: those that were marked before a time, and those whose sweeper
-- has died. A claim is a mark below zero: minus the time (ms) at which it is over.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 now (ms)  2 marked before (ms)  3 conversations at most  4 claim
-- Result: conversations …
-- O(conversations × log conversations)
local limit = tonumber(ARGV[3])
local found = call('ZRANGEBYSCORE', KEYS[1], '-' .. ARGV[1], '(0', 'LIMIT', 0, limit)
if #found < limit then
  for _, name in ipairs(call('ZRANGEBYSCORE', KEYS[1], 0, '(' .. ARGV[2], 'LIMIT', 0, limit - #found)) do
    found[#found + 1] = name
  end
end
for _, name in ipairs(found) do call('ZADD', KEYS[1], ARGV[4], name) end
return found
