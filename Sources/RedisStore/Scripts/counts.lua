-- Counts what is unread, by category.
--
-- KEYS  1 unread  2 unread messages of conversations
-- ARGV  1 now (ms)
-- Result: unread messages, unread notifications, number of categories, (category, count) …
-- Writes nothing. O(unread + conversations with unread messages)
local answer = {}
append_counts(answer, KEYS[1], KEYS[2], tonumber(ARGV[1]))
return answer
