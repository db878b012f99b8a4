-- Marks items of an inbox as read and appends one inbox.read event, when any of them was unread.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 inbox  5 unread  6 collapses  7 expiries  8 index
--       9 unread messages of conversations
-- ARGV  1 now (ms)  2 id of the event  3 ts  4 epoch to begin with  5 events kept  6 ms that they are kept
--       7 category ('' for all)  8 'ids', 'up_to' or 'all'  9 … ids, or the one id
-- Result: seq (0 when nothing was unread), id of the event before, frame, unread messages,
--         unread notifications, number of categories, (category, count) …, sessions …
-- O(unread) for up_to and all; O(ids) otherwise
local now, only, kind = tonumber(ARGV[1]), ARGV[7], ARGV[8]
local marked = {}

local function consider(number, entry, id)
  local over, category = parse_unread(entry)
  if not is_over(over, now) and (only == '' or category == only) then marked[#marked + 1] = { number, id } end
end

-- The number of an item that shows in the inbox, read or not; -1 when there is none with that id.
local function shown_number(id)
  local number = call('HGET', KEYS[8], id)
  local _, record = nil, nil
  if number then _, record = find_item(KEYS[4], number) end
  if not record then return -1 end
  local _, over = parse_item(record)
  return is_over(over, now) and -1 or tonumber(number)
end

if kind == 'ids' then
  local taken = {}
  for i = 9, #ARGV do
    local number = not taken[ARGV[i]] and call('HGET', KEYS[8], ARGV[i])
    local entry = number and call('HGET', KEYS[5], number)
    taken[ARGV[i]] = true
    if entry then consider(number, entry, ARGV[i]) end
  end
else
  local last = kind == 'up_to' and shown_number(ARGV[9]) or math.huge
  local entries = call('HGETALL', KEYS[5])
  for i = 1, #entries, 2 do
    if tonumber(entries[i]) <= last then consider(entries[i], entries[i + 1]) end
  end
end

local answer = { '0', '', '' }
if #marked > 0 then
  local epoch, seq, previous, marks, newest = read_head(KEYS[1])
  if epoch == '' then epoch = ARGV[4] end
  seq = seq + 1
  local selection = ',"all":true'
  if kind == 'ids' then
    local ids = {}
    for i = 1, #marked do ids[i] = '"' .. marked[i][2] .. '"' end
    selection = ',"ids":[' .. table.concat(ids, ',') .. ']'
  elseif kind == 'up_to' then
    selection = ',"up_to":"' .. ARGV[9] .. '"'
  end
  if only ~= '' then selection = selection .. ',"category":"' .. only .. '"' end
  local left = unread_total(KEYS[5], KEYS[7], now) - #marked
  local frame = frame_head('inbox.read', seq, ARGV[2], ARGV[3]) .. selection .. frame_tail(messages_total(KEYS[9]), left)
  push_frames(
    KEYS[1], KEYS[2], epoch, seq, ARGV[2], marks, newest, { frame }, now, tonumber(ARGV[5]), tonumber(ARGV[6]))
  for i = 1, #marked do forget_unread(KEYS[5], KEYS[6], marked[i][1]) end
  answer = { str(seq), previous, frame }
end
append_counts(answer, KEYS[5], KEYS[9], now)
return append_sessions(answer, KEYS[3])
