-- Puts a user into the list of those whom another one blocks, or takes one out, and appends one block event when it was
-- otherwise.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 blocked users
-- ARGV  1 now (ms)  2 epoch to begin with  3 events kept  4 ms that they are kept  5 user  6 '1' or '0'
--       7 id of the event  8 its record  9 users who may be blocked
-- Result: seq (0 when nothing changed), id of the event before, event, sessions …; nothing when the list is full
-- O(log blocked users)
local user, on = ARGV[5], ARGV[6] == '1'
if (call('ZSCORE', KEYS[4], user) ~= false) == on then return append_sessions({ '0', '', '' }, KEYS[3]) end
if on and call('ZCARD', KEYS[4]) >= tonumber(ARGV[9]) then return {} end

local epoch, seq, previous, marks, newest = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[2] end
local event = pack_event(nil, '', '', ARGV[8])
push_frames(
  KEYS[1], KEYS[2], epoch, seq + 1, ARGV[7], marks, newest, { event }, tonumber(ARGV[1]), tonumber(ARGV[3]),
  tonumber(ARGV[4]))
if on then call('ZADD', KEYS[4], str(seq + 1), user) else call('ZREM', KEYS[4], user) end
return append_sessions({ str(seq + 1), previous, event }, KEYS[3])
