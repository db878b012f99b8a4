-- Claims marks of commits whose members are not all advanced: those that were made before a time, and those whose sweeper
-- has died. A claim is a score below zero: minus the time (ms) at which it is over.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 now (ms)  2 marked before (ms)  3 marks at most  4 when the claim is over (ms)
-- Result: marks …, each "conversation␟name"
-- O(marks × log marks)
local limit = tonumber(ARGV[3])
local found = call('ZRANGEBYSCORE', KEYS[1], '-' .. ARGV[1], '(0', 'LIMIT', 0, limit)
if #found < limit then
  for _, mark in ipairs(call('ZRANGEBYSCORE', KEYS[1], 0, '(' .. ARGV[2], 'LIMIT', 0, limit - #found)) do
    found[#found + 1] = mark
  end
end
for _, mark in ipairs(found) do call('ZADD', KEYS[1], '-' .. ARGV[4], mark) end
return found
