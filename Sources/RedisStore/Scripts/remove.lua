-- Takes sessions out of a user's directory; when the last one goes, notes when that was.
--
-- KEYS  1 meta  2 sessions
-- ARGV  1 now (ms)  2 … sessions
-- Result: how many were there
-- O(sessions given). HDEL is never refused for want of memory, so in such a time only "last seen" may be missing
local removed = 0
for i = 2, #ARGV do removed = removed + call('HDEL', KEYS[2], ARGV[i]) end
if removed > 0 and call('EXISTS', KEYS[2]) == 0 then call('HSET', KEYS[1], 'z', ARGV[1]) end
return removed
