-- Takes a mark away, unless another one has taken its place.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 conversation  2 mark  3 the mark before it, which is put back ('' for none): a change that was refused must not
--       take away the mark of another one whose members are not all advanced yet
-- Result: 1 when the mark was there, otherwise 0
-- O(log conversations)
local score = call('ZSCORE', KEYS[1], ARGV[1])
-- As numbers: Redis writes a score in its own way.
if not score or tonumber(score) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then call('ZREM', KEYS[1], ARGV[1]) else call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return 1
