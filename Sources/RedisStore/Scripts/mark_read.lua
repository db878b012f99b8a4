-- Marks items of an inbox as read and appends one inbox.read event, when any of them was unread.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 inbox  5 unread  6 collapses  7 expiries
-- ARGV  1 now (ms)  2 id of the event  3 ts  4 epoch to begin with  5 events kept  6 ms that they are kept
--       7 category ('' for all)  8 'ids', 'up_to' or 'all'  9 … ids, or the one id
-- Result: seq (0 when nothing was unread), id of the event before, frame, unread, number of categories,
--         (category, count) …, sessions …
-- O(unread) for up_to and all; O(ids) otherwise. up_to looks through the inbox when its item was read before
local now, only, kind = tonumber(ARGV[1]), ARGV[7], ARGV[8]
local marked = {}

local function consider(id, entry, up_to)
  local number, over, category = parse_unread(entry)
  if is_over(over, now) or (only ~= '' and category ~= only) or (up_to and number > up_to) then return end
  marked[#marked + 1] = { id, number }
end

-- The number of an item that may have been read before; nil when it is not there.
local function number_of(id)
  local entry = call('HGET', KEYS[5], id)
  if entry then
    local number, over = parse_unread(entry)
    if is_over(over, now) then return nil end
    return number
  end
  local last = call('LLEN', KEYS[4]) - 1
  while last >= 0 do
    local records = call('LRANGE', KEYS[4], math.max(0, last - 49), last)
    for i = #records, 1, -1 do
      local number, over, _, item = parse_item(records[i])
      if item == id and not is_over(over, now) then return number end
    end
    last = last - 50
  end
end

if kind == 'ids' then
  local taken = {}
  for i = 9, #ARGV do
    local entry = not taken[ARGV[i]] and call('HGET', KEYS[5], ARGV[i])
    taken[ARGV[i]] = true
    if entry then consider(ARGV[i], entry) end
  end
else
  local up_to = kind == 'up_to' and (number_of(ARGV[9]) or -1) or nil
  if up_to ~= -1 then
    local entries = call('HGETALL', KEYS[5])
    for i = 1, #entries, 2 do consider(entries[i], entries[i + 1], up_to) end
  end
end

local answer = { '0', '', '' }
if #marked > 0 then
  local epoch, seq, previous, marks = read_head(KEYS[1])
  if epoch == '' then epoch = ARGV[4] end
  seq = seq + 1
  local selection = ',"all":true'
  if kind == 'ids' then
    local ids = {}
    for i = 1, #marked do ids[i] = '"' .. marked[i][1] .. '"' end
    selection = ',"ids":[' .. table.concat(ids, ',') .. ']'
  elseif kind == 'up_to' then
    selection = ',"up_to":"' .. ARGV[9] .. '"'
  end
  if only ~= '' then selection = selection .. ',"category":"' .. only .. '"' end
  local left = unread_total(KEYS[5], KEYS[7], now) - #marked
  local frame = frame_head('inbox.read', seq, ARGV[2], ARGV[3]) .. selection .. frame_tail(left)
  push_frames(KEYS[1], KEYS[2], epoch, seq, ARGV[2], marks, { frame }, now, tonumber(ARGV[5]), tonumber(ARGV[6]))
  for i = 1, #marked do forget_unread(KEYS[5], KEYS[6], marked[i][1], marked[i][2]) end
  answer = { str(seq), previous, frame }
end
append_counts(answer, KEYS[5], now)
return append_sessions(answer, KEYS[3])
