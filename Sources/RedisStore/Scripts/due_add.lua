-- Notes that a user has something that will be over at a time. Runs before the append that it belongs to.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 user  2 when (ms)
-- Result: 1
-- A score with a fraction is a sweeper's claim (due_claim.lua). It is turned into a whole number, so that the sweeper
-- sees that something was added behind its back and leaves the entry. O(log users)
local when = tonumber(ARGV[2])
local score = tonumber(call('ZSCORE', KEYS[1], ARGV[1]) or nil)
if score then when = math.min(when, math.floor(score)) end
if when ~= score then call('ZADD', KEYS[1], str(when), ARGV[1]) end
return 1
