-- Marks a conversation as one whose members are not all advanced. Runs before the change that it belongs to.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 conversation  2 mark: now (ms), with a random fraction
-- Result: the mark before, '' when there was none
-- O(log conversations)
local before = call('ZSCORE', KEYS[1], ARGV[1])
call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return before or ''
