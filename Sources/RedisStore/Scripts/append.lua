-- Appends one notification to a user's timeline and inbox, once per id.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 inbox  5 unread  6 collapses  7 expiries  8, 9 ids seen (two generations)
-- ARGV  1 now (ms)  2 id  3 category  4 collapse key ('' when none)  5 when it is over (ms, '' when never)  6 ts  7 rest
--       8 epoch to begin with  9 events kept  10 ms that they are kept  11 items kept  12 ms that ids are remembered
-- Result: seq, item id, id of the event before, frame ('' when the id was there before), sessions …
-- O(log inbox); O(unread) for a hash that outgrew its compact form
local now, id, category, collapse, over = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local horizon = tonumber(ARGV[12])
if find(id, '[%z\1-\31"\\]') or find(category, '[%z\1-\31"\\]') then
  return redis.error_reply('APUS id or category is not valid')
end

-- Seen before? Two generations, each with its beginning in the field ''; an entry is "ms since then:seq:item".
local current, begun
for i = 8, 9 do
  local seen = call('HMGET', KEYS[i], '', id)
  local start = tonumber(seen[1])
  if start and (not begun or start > begun) then current, begun = i, start end
  if start and seen[2] then
    local offset, seq, item = match(seen[2], '^(%d+):(%d+):?(.*)$')
    if now - start - tonumber(offset) < horizon then
      return append_sessions({ seq, item == '' and id or item, '', '' }, KEYS[3])
    end
  end
end

local epoch, seq, previous, marks = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[8] end
seq = seq + 1

-- The unread item that it takes the place of, if any.
local target, number
if collapse ~= '' then
  local candidate = call('HGET', KEYS[6], collapse)
  local entry = candidate and call('HGET', KEYS[5], candidate)
  if entry then
    local entry_number, entry_over = parse_unread(entry)
    if not is_over(entry_over, now) then target, number = candidate, entry_number end
  end
end
local index, old = nil, nil
if target then
  index, old = find_item(KEYS[4], number)
  if not index then target = nil end
end

-- From here on it is written. An unread item that still has this id (older than the horizon) gives way to the new one.
local item = target or id
if not target then
  local stale = call('HGET', KEYS[5], id)
  number = tonumber(call('HGET', KEYS[1], 'n') or 0) + 1
  call('HSET', KEYS[1], 'n', str(number))
  if stale then forget_unread(KEYS[5], KEYS[6], id, (parse_unread(stale))) end
end
local over_text = over and str(over) or ''
local record = str(number) .. SEP .. over_text .. SEP .. category .. SEP .. item .. SEP .. ARGV[7]
call('HSET', KEYS[5], item, str(number) .. SEP .. over_text .. SEP .. category .. SEP .. collapse)
if target then
  call('LSET', KEYS[4], index, record)
  local _, old_over = parse_item(old)
  if old_over and not over then call('ZREM', KEYS[7], str(number) .. SEP .. item) end
else
  local length = call('RPUSH', KEYS[4], record)
  if collapse ~= '' then call('HSET', KEYS[6], collapse, item) end
  while length > tonumber(ARGV[11]) do
    local gone_number, gone_over, _, gone_id = parse_item(call('LPOP', KEYS[4]))
    forget_unread(KEYS[5], KEYS[6], gone_id, gone_number)
    if gone_over then call('ZREM', KEYS[7], str(gone_number) .. SEP .. gone_id) end
    length = length - 1
  end
end
if over then call('ZADD', KEYS[7], over_text, str(number) .. SEP .. item) end

-- Remember the id. The beginnings move by the caller's time; Redis's own expiry only removes what nobody asks for again.
if not current or now - begun >= horizon then
  current = current == 8 and 9 or 8
  begun = now
  call('DEL', KEYS[current])
  call('HSET', KEYS[current], '', str(now))
  call('PEXPIRE', KEYS[current], str(3 * horizon))
end
local seen = str(math.max(0, now - begun)) .. ':' .. str(seq)
if target then seen = seen .. ':' .. target end
call('HSET', KEYS[current], id, seen)

local frame = frame_head(target and 'notification.updated' or 'notification', seq, id, ARGV[6])
  .. ',"notification":{"id":"' .. item .. '",' .. ARGV[7] .. ',"read":false}'
  .. frame_tail(unread_total(KEYS[5], KEYS[7], now))
push_frames(KEYS[1], KEYS[2], epoch, seq, id, marks, { frame }, now, tonumber(ARGV[9]), tonumber(ARGV[10]))
return append_sessions({ str(seq), item, previous, frame }, KEYS[3])
