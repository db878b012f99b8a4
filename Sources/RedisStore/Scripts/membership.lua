-- Tells where a user stands in a conversation, and the totals.
--
-- KEYS  1 unread notifications  2 expiries  3 memberships  4 unread messages of conversations
-- ARGV  1 now (ms)  2 conversation
-- Result: read up to, unread of the conversation, unread messages, unread notifications; nothing when it is not in the list
-- Writes nothing. O(log unread + conversations with unread messages)
local m = read_membership(KEYS[3], ARGV[2])
if not m or m.gone then return {} end
return {
  str(m.read_n), str(unread_of(m)), str(messages_total(KEYS[4])), unread_total(KEYS[1], KEYS[2], tonumber(ARGV[1])),
}
