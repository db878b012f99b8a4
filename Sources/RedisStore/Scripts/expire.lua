-- Takes items whose time is over out of one user's inbox and appends a notification.retracted event for each.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 inbox  5 unread  6 collapses  7 expiries  8 index
--       9 unread messages of conversations
-- ARGV  1 now (ms)  2 id for the events, to which "-1", "-2" … is added  3 epoch to begin with  4 events kept
--       5 ms that they are kept  6 items at most
-- Result: when the next one is over (ms, '' when none is left), id of the event before, number of events,
--         (seq, id, frame) …, sessions …
-- O(items × log inbox)
local now = tonumber(ARGV[1])
local gone = call('ZRANGEBYSCORE', KEYS[7], '-inf', ARGV[1], 'LIMIT', 0, ARGV[6])
local epoch, seq, previous, marks, newest = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[3] end

local left = unread_total(KEYS[5], KEYS[7], now)
local messages = messages_total(KEYS[9])
local frames, items, events = {}, {}, {}
for _, number in ipairs(gone) do
  local _, record = find_item(KEYS[4], number)
  local item = record and select(4, parse_item(record))
  if item then
    seq = seq + 1
    local id = ARGV[2] .. '-' .. str(#frames + 1)
    frames[#frames + 1] = frame_head('notification.retracted', seq, id, ARGV[1])
      .. ',"notification":{"id":"' .. item .. '"},"reason":"expired"' .. frame_tail(messages, left)
    items[#items + 1] = { item, number }
    events[#events + 1] = str(seq)
    events[#events + 1] = id
    events[#events + 1] = frames[#frames]
  end
end
if #frames > 0 then
  push_frames(
    KEYS[1], KEYS[2], epoch, seq, events[#events - 1], marks, newest, frames, now, tonumber(ARGV[4]),
    tonumber(ARGV[5]))
  for _, item in ipairs(items) do
    remove_item(KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], item[1], item[2])
  end
end
-- Also those whose items had already left.
for _, number in ipairs(gone) do call('ZREM', KEYS[7], number) end

local next_one = call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')
local answer = { next_one[2] and str(tonumber(next_one[2])) or '', previous, #frames }
for i = 1, #events do answer[#answer + 1] = events[i] end
return append_sessions(answer, KEYS[3])
