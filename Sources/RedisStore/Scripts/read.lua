-- Reads events after a position, when the position is what the caller says.
--
-- KEYS  1 meta  2 timeline
-- ARGV  1 limit  2 epoch ('' to compare none)  3 seq  4 id at seq ('' to compare none)
-- Result: epoch ('' when there is no timeline), seq, id at seq, verdict ('resumed' or a reason), frames …
-- Writes nothing. O(limit + distance from the nearer end)
local epoch, seq, last = read_head(KEYS[1])
local verdict, frames = judge(KEYS[2], epoch, seq, last, ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[1]))
local answer = { epoch, str(seq), last, verdict }
for i = 1, #frames do answer[4 + i] = frames[i] end
return answer
