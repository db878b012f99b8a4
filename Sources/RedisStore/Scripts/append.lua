-- Appends one notification to a user's timeline and inbox, once per id.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 inbox  5 unread  6 collapses  7 expiries  8 index
--       9 unread messages of conversations  10, 11 ids seen (two generations)
-- ARGV  1 now (ms)  2 id  3 category  4 collapse key ('' when none)  5 when it is over (ms, '' when never)  6 ts  7 rest
--       8 epoch to begin with  9 events kept  10 ms that they are kept  11 items kept  12 ms that ids are remembered
-- Result: seq, item id, id of the event before, frame ('' when the id was there before), sessions …
-- O(log inbox + conversations with unread messages); O(unread) for a hash that outgrew its compact form
local now, id, category, collapse, over = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local horizon = tonumber(ARGV[12])
if find(id, '[%z\1-\31"\\]') or find(category, '[%z\1-\31"\\]') then
  return redis.error_reply('APUS id or category is not valid')
end

-- An entry of the ids seen is "seq:item".
local generations = { KEYS[10], KEYS[11] }
local seen, current, begun = seen_before(generations, id, now, horizon)
if seen then
  local seq, item = match(seen, '^(%d+):?(.*)$')
  return append_sessions({ seq, item == '' and id or item, '', '' }, KEYS[3])
end

local epoch, seq, previous, marks, newest = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[8] end
seq = seq + 1

-- The unread item that it takes the place of, if any.
local number, item, old_over
if collapse ~= '' then
  number = call('HGET', KEYS[6], collapse)
  local entry = number and call('HGET', KEYS[5], number)
  local _, record = nil, nil
  if entry and not is_over(parse_unread(entry), now) then _, record = find_item(KEYS[4], number) end
  if record then _, old_over, _, item = parse_item(record) else number = nil end
end
local is_update = item ~= nil
if not is_update then
  number, item = str(tonumber(newest) + 1), id
  newest = number
end

-- From here on it is written, beginning with what Redis refuses when it is out of memory.
local over_text = over and str(over) or ''
call('HSET', KEYS[5], number, over_text .. SEP .. category .. SEP .. collapse)
local record = number .. SEP .. over_text .. SEP .. category .. SEP .. item .. SEP .. ARGV[7]
-- An item that has this id since before the horizon gives way: ids of items are unique.
local function give_way(stale)
  if stale and stale ~= number then
    remove_item(KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], id, stale)
  end
end
if is_update then
  call('LSET', KEYS[4], (find_item(KEYS[4], number)), record)
  if old_over and not over then call('ZREM', KEYS[7], number) end
else
  if call('HSETNX', KEYS[8], item, number) == 0 then
    give_way(call('HGET', KEYS[8], item))
    call('HSET', KEYS[8], item, number)
  end
  local length = call('RPUSH', KEYS[4], record)
  if collapse ~= '' then call('HSET', KEYS[6], collapse, number) end
  for _ = 1, length - tonumber(ARGV[11]) do
    local gone, gone_over, _, gone_id = parse_item(call('LPOP', KEYS[4]))
    forget_unread(KEYS[5], KEYS[6], gone)
    if gone_over then call('ZREM', KEYS[7], gone) end
    call('HDEL', KEYS[8], gone_id)
  end
end
if over then call('ZADD', KEYS[7], over_text, number) end

remember(generations, current, begun, id, str(seq) .. (is_update and ':' .. item or ''), now, horizon)

local frame = frame_head(is_update and 'notification.updated' or 'notification', seq, id, ARGV[6])
  .. ',"notification":{"id":"' .. item .. '",' .. ARGV[7] .. ',"read":false}'
  .. frame_tail(messages_total(KEYS[9]), unread_total(KEYS[5], KEYS[7], now))
push_frames(
  KEYS[1], KEYS[2], epoch, seq, id, marks, newest, { frame }, now, tonumber(ARGV[9]), tonumber(ARGV[10]))
return append_sessions({ str(seq), item, previous, frame }, KEYS[3])
