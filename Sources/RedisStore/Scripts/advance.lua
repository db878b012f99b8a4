-- Brings a user's side of a conversation forward by entries of its log, each once, and appends them to the timeline.
--
-- KEYS  1 meta  2 timeline  3 sessions  4 unread notifications  5 expiries  6 memberships  7 activity
--       8 unread messages of conversations
-- ARGV  1 now (ms)  2 epoch to begin with  3 events kept  4 ms that they are kept  5 conversation
--       6 'follow', 'join', 'aside', 'force' (aside, also backward) or 'reset'
--       7, 8 number and id of the entry before the first; after a reset those of the log's head
--       9 … (effect, record) of each entry. Effects on the user: 'm' a message, 'o' an own message, 'd n own' own cursor,
--           'c n' message n is recalled, 'j' becomes a member, 'g' is none any more, '-' none. Behind the id in a record
--           may be '~' and a mark: the event's id then, not the cursor's.
--           reset: (messages, own messages, read up to, own messages up to it) as one word, and the record
-- Result: 'advanced', number of entries, the first one's seq, id of the event before, read up to, unread of the
--         conversation, unread messages, unread notifications, events …, sessions …;
--         'gap' or 'beyond', number and id of the cursor ('' when there is none); 'forked'
-- O(entries + conversations with unread messages); a recall O(timeline)
local now, name, mode, from, from_id = tonumber(ARGV[1]), ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local count = mode == 'reset' and 0 or (#ARGV - 8) / 2
local m = read_membership(KEYS[6], name)
local is_new = m == nil

local function effect_at(i) return ARGV[7 + 2 * i] end
local function record_at(i) return ARGV[8 + 2 * i] end

-- What to answer when the step does not fit the cursor.
local function misfit()
  if mode == 'reset' then return nil end
  if mode == 'aside' or mode == 'force' then return not m and { 'gap', '', '' } or nil end
  if not m then return mode ~= 'join' and from > 0 and { 'gap', '', '' } or nil end
  if m.number < from then return mode ~= 'join' and { 'gap', str(m.number), m.id } or nil end
  if m.number > from + count then return { 'beyond', str(m.number), m.id } end
  local id = m.number == from and from_id or match(record_at(m.number - from), '^[^~\31]*')
  if id ~= m.id then return { 'forked' } end
end

local answer = misfit()
if answer then return answer end

local epoch, seq, previous, marks, newest = read_head(KEYS[1])
if epoch == '' then epoch = ARGV[2] end
local first = seq + 1
local notifications = unread_total(KEYS[4], KEYS[5], now)
local total = messages_total(KEYS[8])
local counted_before = m and counted_of(m) or 0
local counted = counted_before
local frames, recalled, activity, is_changed = {}, {}, nil, false

-- Takes note of an event after the counts have changed.
local function push(record, shows_unread, shows_totals)
  local after = counted_of(m)
  total, shows_totals = total + after - counted, shows_totals or after ~= counted
  counted = after
  seq = seq + 1
  frames[#frames + 1] = pack_event(
    shows_totals and { total, notifications } or nil, shows_unread and str(unread_of(m)) or '', name, record)
end

-- The user's own cursor.
local function read_up_to(effect)
  local n, own = match(effect, '^d (%d+) (%d+)$')
  m.read_n, m.read_own = tonumber(n), tonumber(own)
  -- With everything read, as many of them are own: what a jump has counted wrongly is right again.
  if m.read_n == m.messages then m.own = m.read_own end
end

-- A cursor that is not there begins at `from`, one that stands before it jumps there. What it jumps over counts like own
-- messages: as the messages of large groups, not at all.
local function jump()
  local kind, messages = match(record_at(1), '^[^\31]*\31(%a)\31(%d+)')
  local before = tonumber(messages) - (kind == 'm' and 1 or 0)
  if is_new then
    m = { messages = before, own = 0, read_n = before, read_own = 0, muted = false, gone = false }
  else
    m.own = m.own + math.max(0, before - m.messages)
  end
  m.number, m.id = from, from_id
end

local function take(effect, record)
  local id, messages = match(record, '^([^~\31]*)[^\31]*\31%a\31(%d+)')
  m.number, m.id, is_changed = m.number + 1, id, true
  messages = tonumber(messages)
  local kind = sub(effect, 1, 1)
  if kind == 'j' then
    m.gone, m.messages, m.own, m.read_n, m.read_own = false, messages, 0, messages, 0
  elseif m.gone then
    return -- nothing of it is theirs
  end
  m.messages = messages
  if kind == 'o' then m.own = m.own + 1 end
  if kind == 'd' then read_up_to(effect) end
  if kind == 'g' then m.gone = true end
  if kind == 'c' then recalled[tonumber(sub(effect, 3))] = true end
  push(record, kind == 'd')
  if kind == 'm' or kind == 'o' or kind == 'j' or is_new then activity = seq end
  is_new = false
end

if mode == 'reset' then
  local messages, own, read_n, read_own = match(ARGV[9], '^(%d+) (%d+) (%d+) (%d+)$')
  local counts = { messages = messages, own = own, read_n = read_n, read_own = read_own }
  local is_there = m and not m.gone and m.number == from and m.id == from_id
  for part, value in pairs(counts) do
    counts[part] = tonumber(value)
    is_there = is_there and m[part] == counts[part]
  end
  if not is_there then
    counts.number, counts.id, counts.muted, counts.gone = from, from_id, m ~= nil and m.muted, false
    m, is_changed = counts, true
    push(ARGV[10], false, true)
    if not call('ZSCORE', KEYS[7], name) then activity = seq end
  end
elseif mode == 'aside' or mode == 'force' then
  local n = tonumber(match(effect_at(1), '^d (%d+)'))
  if not m.gone and (n > m.read_n or (mode == 'force' and n ~= m.read_n)) then
    read_up_to(effect_at(1))
    is_changed = true
    push(record_at(1), true)
  end
elseif count > 0 then
  if is_new or m.number < from then jump() end
  for i = m.number - from + 1, count do take(effect_at(i), record_at(i)) end
end

-- An event without its body when it is a message that was recalled, or an edit of one; and the number of the message, when
-- it is the message itself.
local function stripped(event)
  local head, conversation, kind, messages, rest =
    match(event, '^(\1[^\31]*\31[^\31]*\31([^\31]*)\31[^\31]*\31([me])\31(%d+)\31[^\31]*\31%-?%d*\31)(.*)$')
  if conversation ~= name then return nil end
  if kind == 'm' then
    local n = tonumber(messages)
    return recalled[n] and head .. match(rest, '^[^\31]*\31'), n
  end
  return recalled[tonumber(match(rest, '^%d+'))] and head .. match(rest, '^%d+\31%d*\31')
end

-- Takes bodies out of the timeline, from the newest event back to the oldest message that was recalled.
local function strip_timeline()
  local wanted, last = 0, call('LLEN', KEYS[2]) - 1
  for _ in pairs(recalled) do wanted = wanted + 1 end
  while last >= 0 and wanted > 0 do
    local start = math.max(0, last - 49)
    local events = call('LRANGE', KEYS[2], str(start), str(last))
    for i = #events, 1, -1 do
      local event, n = stripped(events[i])
      if event then call('LSET', KEYS[2], str(start + i - 1), event) end
      if event and n then wanted = wanted - 1 end
    end
    last = start - 1
  end
end

if is_changed then
  -- The first write is one of LSET, RPUSH and HSET: all are refused when Redis is out of memory.
  if next(recalled) then
    for i = 1, #frames do frames[i] = stripped(frames[i]) or frames[i] end
    strip_timeline()
  end
  if #frames > 0 then
    local last = match(frames[#frames], '^\1[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)')
    push_frames(
      KEYS[1], KEYS[2], epoch, seq, last, marks, newest, frames, now, tonumber(ARGV[3]), tonumber(ARGV[4]))
  end
  write_membership(KEYS[6], name, m)
  if m.gone then
    call('ZREM', KEYS[7], name)
  elseif activity then
    call('ZADD', KEYS[7], str(activity), name)
  end
  if mode == 'reset' or counted_of(m) ~= counted_before then write_counted(KEYS[8], name, m) end
end

answer = {
  'advanced', #frames, str(first), previous, str(m and not m.gone and m.read_n or 0), str(m and unread_of(m) or 0),
  str(total), notifications,
}
for i = 1, #frames do answer[#answer + 1] = frames[i] end
return append_sessions(answer, KEYS[3])
