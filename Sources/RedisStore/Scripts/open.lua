-- Opens a timeline: creates it when it is not there, judges a position and reads what follows it.
--
-- KEYS  1 meta  2 timeline  3 unread  4 expiries  5 unread messages of conversations
-- ARGV  1 now (ms)  2 epoch to begin with  3 limit  4 epoch of the position ('' when none is given)
--       5 seq  6 id at seq ('' when not known)
-- Result: epoch, seq, id at seq, unread messages, unread notifications, verdict ('fresh', 'resumed' or a reason), frames …
-- Writes only when the timeline is not there. O(log unread + conversations with unread messages + limit)
local epoch, seq, last = read_head(KEYS[1])
if epoch == '' then
  call('HSET', KEYS[1], 'e', ARGV[2])
  epoch = ARGV[2]
end
local verdict, frames = 'fresh', {}
if ARGV[4] ~= '' then
  verdict, frames = judge(KEYS[2], epoch, seq, last, ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[3]))
end
local notifications = unread_total(KEYS[3], KEYS[4], tonumber(ARGV[1]))
local answer = { epoch, str(seq), last, str(messages_total(KEYS[5])), notifications, verdict }
for i = 1, #frames do answer[6 + i] = frames[i] end
return answer
