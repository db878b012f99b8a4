-- Mutes a conversation, or ends that, and appends one mute event when it was otherwise.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 unread notifications  5 expiries  6 memberships  7 activity
--       8 unread messages of conversations
-- ARGV  1 now (ms)  2 epoch to begin with  3 events kept  4 ms that they are kept  5 conversation  6 '1' or '0'
--       7 id of the event  8 its record
-- Result: seq (0 when nothing changed), id of the event before, event, sessions …; nothing when it is not in the list
-- O(log unread + conversations with unread messages)
local now, name, on = tonumber(ARGV[1]), ARGV[5], ARGV[6] == '1'
local m = read_membership(KEYS[6], name)
if not m or m.gone then return {} end
if m.muted == on then return append_sessions({ '0', '', '' }, KEYS[3]) end

local epoch, seq, previous, marks, newest = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[2] end
local total = messages_total(KEYS[8]) - counted_of(m)
m.muted = on
local totals = { total + counted_of(m), unread_total(KEYS[4], KEYS[5], now) }
local event = pack_event(totals, '', name, ARGV[8])
push_frames(
  KEYS[1], KEYS[2], epoch, seq + 1, ARGV[7], marks, newest, { event }, now, tonumber(ARGV[3]), tonumber(ARGV[4]))
write_membership(KEYS[6], name, m)
write_counted(KEYS[8], name, m)
return append_sessions({ str(seq + 1), previous, event }, KEYS[3])
