-- Counts the unread items one by one and compares with what the other scripts say; answers the difference.
--
-- KEYS  1 inbox  2 unread  3 expiries
-- ARGV  1 now (ms)
-- Result: items that are unread one by one, minus the total; 0 when all is well
-- Writes nothing. O(inbox)
local now, counted = tonumber(ARGV[1]), 0
for _, record in ipairs(call('LRANGE', KEYS[1], 0, -1)) do
  local number, over = parse_item(record)
  if not is_over(over, now) then counted = counted + call('HEXISTS', KEYS[2], number) end
end
return counted - unread_total(KEYS[2], KEYS[3], now)
