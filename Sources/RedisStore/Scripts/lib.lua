-- Functions that the scripts share; put in front of each of them when it is loaded.
--
-- Names of keys, fields and record layouts are documented in docs/redis-keys.md.
-- Numbers in Lua are doubles: everything here stays below 2^53, and `str` writes them without exponent.
-- A script reads and decides first and writes last, and its first write is one that Redis refuses when it is out of
-- memory: so it happens whole or not at all.

local call, match, find, sub = redis.call, string.match, string.find, string.sub
local SEP = '\31' -- between the parts of a record; never in an id or category

local function str(number) return string.format('%.0f', number) end

-- ---- timelines ----

-- Epoch ('' when there is no timeline), seq, id at seq, age marks, number of the newest item of the inbox.
local function read_head(meta)
  local h = call('HMGET', meta, 'e', 's', 'l', 'a', 'n')
  return h[1] or '', tonumber(h[2] or 0), h[3] or '', h[4] or '', h[5] or '0'
end

-- The id of an event: frames begin with {"ev":"…","seq":N,"id":"…" and ids have no quotes or backslashes; events of
-- conversations are records "\1totals␟unread␟conversation␟id␟…" (docs/redis-keys.md).
local function frame_id(frame)
  return match(frame, '^{"ev":"[^"]*","seq":%d+,"id":"([^"]*)"')
    or match(frame, '^\1[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)\31')
end

-- The beginning of a frame.
local function frame_head(event, seq, id, ts)
  return '{"ev":"' .. event .. '","seq":' .. str(seq) .. ',"id":"' .. id .. '","ts":' .. ts
end

-- The end of a frame: the totals after the event.
local function frame_tail(messages, notifications)
  return ',"unread":{"messages":' .. str(messages) .. ',"notifications":' .. str(notifications) .. '}}'
end

-- Time is kept in marks "bucket:first seq" of an eighth of the time that events are kept, so that a timeline knows how
-- old its events are without a time in each. Returns the marks with one for `seq`, and the first seq still young enough.
local function mark_age(marks, seq, now, span)
  local width = math.ceil(span / 8)
  local bucket = math.floor(now / width)
  local newest = tonumber(match(marks, '(%d+):%d+$') or -1)
  if bucket <= newest then return marks, 0 end
  local kept, keep_from = {}, 0
  local previous_bucket, previous_seq
  for b, s in string.gmatch(marks .. ',' .. str(bucket) .. ':' .. str(seq), '(%d+):(%d+)') do
    if previous_bucket then
      if (tonumber(previous_bucket) + 1) * width + span <= now then
        keep_from = tonumber(s)
      else
        kept[#kept + 1] = previous_bucket .. ':' .. previous_seq
      end
    end
    previous_bucket, previous_seq = b, s
  end
  kept[#kept + 1] = previous_bucket .. ':' .. previous_seq
  return table.concat(kept, ','), keep_from
end

-- Appends frames whose last has `seq` and `id`, and trims by number and age; the newest stays whatever its age.
-- `newest` is the number of the newest item.
local function push_frames(meta, timeline, epoch, seq, id, marks, newest, frames, now, cap, span)
  local length
  for i = 1, #frames do length = call('RPUSH', timeline, frames[i]) end
  local first = seq - #frames + 1
  local keep_from
  marks, keep_from = mark_age(marks, first, now, span)
  call('HSET', meta, 'e', epoch, 's', str(seq), 'l', id, 'a', marks, 'n', newest)
  local oldest = seq - length + 1
  local drop = math.max(length - cap, math.min(keep_from, seq) - oldest)
  if drop > 0 then call('LTRIM', timeline, drop, -1) end
end

-- Judges a position by the rule of ResumeVerdict.judge and reads what follows it.
-- `epoch` and `last` are compared unless they are ''. Answers 'resumed' or the reason, and the frames.
local function judge(timeline, head_epoch, head_seq, head_last, epoch, seq, last, limit)
  if epoch ~= '' and epoch ~= head_epoch then return 'epoch_changed', {} end
  if seq > head_seq then return 'ahead', {} end
  local oldest = head_seq - call('LLEN', timeline) + 1
  if seq < oldest - 1 then return 'trimmed', {} end
  if seq > 0 and last ~= '' then
    local id
    if seq == head_seq then
      id = head_last
    else
      local frame = call('LINDEX', timeline, seq - oldest)
      if seq < oldest or not frame then return 'trimmed', {} end
      id = frame_id(frame)
    end
    if id ~= last then return 'id_mismatch', {} end
  end
  if limit <= 0 or seq == head_seq then return 'resumed', {} end
  local from = seq + 1 - oldest
  return 'resumed', call('LRANGE', timeline, from, from + limit - 1)
end

-- ---- what was seen before ----

-- Names are remembered in two generations of a hash, each with its beginning in the field ''; an entry begins with the
-- ms since then and a colon. Returns what follows in the entry of a name that was seen within the horizon (nil when there
-- is none), which generation is the newer one (nil: there is none yet), and when that one began.
local function seen_before(generations, name, now, horizon)
  local value, current, begun
  for i, key in ipairs(generations) do
    local seen = call('HMGET', key, '', name)
    local start = tonumber(seen[1] or nil)
    if start and (not begun or start > begun) then current, begun = i, start end
    if start and seen[2] then
      local offset, rest = match(seen[2], '^(%d+):(.*)$')
      if now - start - tonumber(offset) < horizon then value = rest end
    end
  end
  return value, current, begun
end

-- Remembers a name, after `seen_before` has told `current` and `begun`. The beginnings move by the caller's time; Redis's
-- own expiry only removes what nobody asks for again.
local function remember(generations, current, begun, name, value, now, horizon)
  if not current or now - begun >= horizon then
    current = current == 1 and 2 or 1
    begun = now
    call('DEL', generations[current])
    call('HSET', generations[current], '', str(now))
    call('PEXPIRE', generations[current], str(3 * horizon))
  end
  call('HSET', generations[current], name, str(math.max(0, now - begun)) .. ':' .. value)
end

-- ---- unread messages ----

-- The total over conversations: their hash holds the unread count of each that has any and is not muted.
local function messages_total(conversations)
  local total = 0
  for _, count in ipairs(call('HVALS', conversations)) do total = total + tonumber(count) end
  return total
end

-- ---- inboxes ----

-- An entry of the unread hash: when the item is over (nil: never), category, collapse key ('' when none).
local function parse_unread(entry)
  local over, category, collapse = match(entry, '^(%d*)\31([^\31]*)\31(.*)$')
  return tonumber(over), category, collapse
end

-- A record of the inbox list: number, when it is over (nil: never), category, id, rest of the JSON.
local function parse_item(record)
  local number, over, category, id, rest = match(record, '^(%d+)\31(%d*)\31([^\31]*)\31([^\31]*)\31(.*)$')
  return number, tonumber(over), category, id, rest
end

local function is_over(over, now) return over ~= nil and over <= now end

-- How many unread items there are whose time is not over.
local function unread_total(unread, expiries, now)
  local total = call('HLEN', unread)
  if total == 0 then return 0 end
  for _, number in ipairs(call('ZRANGEBYSCORE', expiries, '-inf', str(now))) do
    total = total - call('HEXISTS', unread, number)
  end
  return total
end

-- What is unread: messages, notifications, how many categories, and the count of each.
local function append_counts(answer, unread, conversations, now)
  answer[#answer + 1] = str(messages_total(conversations))
  local total, by_category, order = 0, {}, {}
  for _, entry in ipairs(call('HVALS', unread)) do
    local over, category = parse_unread(entry)
    if not is_over(over, now) then
      total = total + 1
      if not by_category[category] then order[#order + 1] = category end
      by_category[category] = (by_category[category] or 0) + 1
    end
  end
  answer[#answer + 1] = total
  answer[#answer + 1] = #order
  for _, category in ipairs(order) do
    answer[#answer + 1] = category
    answer[#answer + 1] = by_category[category]
  end
end

-- Index of the first record whose number is at least `number`; numbers ascend. The length when there is none.
local function lower_bound(inbox, number)
  local low, high = 0, call('LLEN', inbox)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(match(call('LINDEX', inbox, middle), '^%d+')) < number then low = middle + 1 else high = middle end
  end
  return low
end

-- Index and record of the item with that number; nil when it is not there.
local function find_item(inbox, number)
  local index = lower_bound(inbox, tonumber(number))
  local record = call('LINDEX', inbox, index)
  if record and match(record, '^%d+') == number then return index, record end
end

-- Takes an item out of what is unread, with its collapse key.
local function forget_unread(unread, collapses, number)
  local entry = call('HGET', unread, number)
  if not entry then return end
  local _, _, collapse = parse_unread(entry)
  call('HDEL', unread, number)
  if collapse ~= '' and call('HGET', collapses, collapse) == number then call('HDEL', collapses, collapse) end
end

-- Takes an item out of everything, wherever it stands in the list.
local function remove_item(inbox, unread, collapses, expiries, index, id, number)
  local at = find_item(inbox, number)
  if at then
    call('LSET', inbox, at, SEP)
    call('LREM', inbox, 1, SEP)
  end
  forget_unread(unread, collapses, number)
  call('ZREM', expiries, number)
  if call('HGET', index, id) == number then call('HDEL', index, id) end
end

-- ---- sessions ----

-- The directory of the user's sessions, as a flat list at the end of an answer.
local function append_sessions(answer, directory)
  for _, part in ipairs(call('HGETALL', directory)) do answer[#answer + 1] = part end
  return answer
end
