-- Reads a page of messages that a member may see, in ascending order.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 member  2 '1' for a direct conversation  3 'before' or 'after'  4 n ('' for the newest)  5 limit
-- Result: '1' when there are more in that direction, (record, reactions) …; nothing for strangers
-- Writes nothing. O(log of the length + entries between the first and the last message)
local is_direct, limit = ARGV[2] == '1', tonumber(ARGV[5])
local log = read_log()
if log.head == 0 then return is_direct and { '0' } or {} end
local member = active_member(log, ARGV[1], is_direct)
if not member then return {} end

local first, last = member.base + 1, log.messages
local answer = { '0' }
if ARGV[3] == 'after' then
  first = math.max(first, tonumber(ARGV[4]) + 1)
  if last >= first + limit then
    last = first + limit - 1
    answer[1] = '1'
  end
else
  if ARGV[4] ~= '' then last = math.min(last, tonumber(ARGV[4]) - 1) end
  if first <= last - limit then
    first = last - limit + 1
    answer[1] = '1'
  end
end
if first > last then return answer end

local at, to = find_message(log, first), find_message(log, last)
local n = first
while at <= to do
  for _, record in ipairs(call('LRANGE', LOG, str(at), str(math.min(at + 49, to)))) do
    if find(record, '^[^\31]*\31[mM]\31') then
      answer[#answer + 1] = record
      answer[#answer + 1] = call('HGET', REACTIONS, str(n)) or ''
      n = n + 1
    end
  end
  at = at + 50
end
return answer
