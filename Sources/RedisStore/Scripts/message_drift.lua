-- Adds up unread messages from the cursors one by one and compares with what the other scripts say.
--
-- KEYS  1 memberships  2 unread messages of conversations
-- Result: unread messages by the cursors, minus the total; 0 when all is well
-- Writes nothing. O(conversations)
local counted = 0
for _, record in ipairs(call('HVALS', KEYS[1])) do counted = counted + counted_of(parse_membership(record)) end
return counted - messages_total(KEYS[2])
