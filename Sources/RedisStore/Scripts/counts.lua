-- Counts what is unread, by category.
--
-- KEYS  1 unread
-- ARGV  1 now (ms)
-- Result: unread, number of categories, (category, count) …
-- Writes nothing. O(unread)
local answer = {}
append_counts(answer, KEYS[1], tonumber(ARGV[1]))
return answer
