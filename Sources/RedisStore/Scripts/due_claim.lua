-- Claims users for whom something is over: their scores become the claim, a time at which another sweeper may take
-- them if this one dies.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 now (ms)  2 users at most  3 claim: a time (ms) after now, with ".5" at the end
-- Result: users …
-- O(users × log users)
local users = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, user in ipairs(users) do call('ZADD', KEYS[1], ARGV[3], user) end
return users
