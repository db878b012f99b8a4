-- Reads a page of an inbox, newest first, with the counts.
--
-- KEYS  1 inbox  2 unread  3 unread messages of conversations
-- ARGV  1 now (ms)  2 items before this number ('' from the newest)  3 limit  4 category ('' for all)  5 '1': unread only
-- Result: cursor ('' when this was the last page), unread messages, unread notifications, number
--         of categories, (category, count) …, items …
-- Writes nothing. O(log inbox + limit); O(inbox) when a filter passes few
local now, limit, only, unread_only = tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1'
local last = call('LLEN', KEYS[1]) - 1
if ARGV[2] ~= '' then last = lower_bound(KEYS[1], tonumber(ARGV[2])) - 1 end
-- With nothing unread there is nothing to look for.
if unread_only and call('HLEN', KEYS[2]) == 0 then last = -1 end

local items, cursor, more = {}, '', false
while last >= 0 and not more do
  local records = call('LRANGE', KEYS[1], math.max(0, last - limit), last)
  for i = #records, 1, -1 do
    local number, over, category, id, rest = parse_item(records[i])
    if not is_over(over, now) and (only == '' or category == only) then
      local is_unread = call('HEXISTS', KEYS[2], number) == 1
      if is_unread or not unread_only then
        if #items == limit then
          more = true
          break
        end
        items[#items + 1] = '{"id":"' .. id .. '",' .. rest .. ',"read":' .. (is_unread and 'false}' or 'true}')
        cursor = number
      end
    end
  end
  last = last - limit - 1
end

local answer = { more and cursor or '' }
append_counts(answer, KEYS[2], KEYS[3], now)
for i = 1, #items do answer[#answer + 1] = items[i] end
return answer
