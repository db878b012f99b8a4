-- Functions of the scripts of one conversation; put behind lib.lua in front of each of them.
--
-- KEYS of them all: 1 meta  2 records of members  3 members, by joining (groups)  4 who went, by when (groups)  5 log
--                   6 reactions
-- The two of a direct conversation stand in its name and are no set; a record of theirs that is not there is as it was
-- in the beginning. A refusal is an answer, { 'refused', reason }: the sentence for it is Swift's.

local META, RECORDS, MEMBERS, GONE, LOG, REACTIONS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local PLACES = 4096 -- in one entry's joinings: the score of a member is the entry of the joining times this, and a place

-- ---- the log ----

local function read_log()
  local h = call('HMGET', META, 's', 'l', 'n', 't')
  return { head = tonumber(h[1] or 0), id = h[2] or '', messages = tonumber(h[3] or 0), ts = tonumber(h[4] or 0) }
end

-- The ms since 1970 that a ULID begins with; 0 for any other id. Times are written as what comes on top of it.
local function id_time(id)
  if #id ~= 26 or not find(id, '^[0-7][0-9A-HJKMNP-TV-Z]+$') then return 0 end
  local time = 0
  for i = 1, 10 do time = time * 32 + find('0123456789ABCDEFGHJKMNPQRSTVWXYZ', sub(id, i, i), 1, true) - 1 end
  return time
end

-- A record of the log: id, kind, messages so far, author, time on top of the id's, rest.
local function parse_entry(record)
  local id, kind, messages, from, offset, rest =
    match(record, '^([^\31]*)\31(%a)\31(%d+)\31([^\31]*)\31(%-?%d*)\31(.*)$')
  return { id = id, kind = kind, messages = tonumber(messages), from = from, offset = offset, rest = rest }
end

local function pack_entry(e)
  return table.concat({ e.id, e.kind, str(e.messages), e.from, e.offset, e.rest }, SEP)
end

local function entry_time(e) return id_time(e.id) + tonumber(e.offset == '' and 0 or e.offset) end

-- The id of an entry; '' for number 0 and for those that are not there.
local function entry_id(number)
  local record = number > 0 and call('LINDEX', LOG, str(number - 1))
  return record and match(record, '^[^\31]*') or ''
end

-- Index of the record of message n; 1 ≤ n ≤ messages. It is the first entry up to which there are n.
local function find_message(log, n)
  -- Every message is an entry: n - 1 of them at least stand before it, and messages - n after it.
  local low, high = n - 1, log.head - 1 - (log.messages - n)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local messages = match(call('LINDEX', LOG, str(middle)), '^[^\31]*\31%a\31(%d+)')
    if tonumber(messages) < n then low = middle + 1 else high = middle end
  end
  return low
end

-- The parts of a message: cid, how often it was edited, entry and time of the last edit ('' when never), body ('' when
-- it was recalled).
local function parse_message(e)
  if e.kind == 'm' then
    local cid, body = match(e.rest, '^([^\31]*)\31(.*)$')
    return { cid = cid, edits = 0, edit = '', edited = '', body = body }
  end
  local cid, edits, edit, edited, body = match(e.rest, '^([^\31]*)\31(%d+):(%d+):(%d+)\31(.*)$')
  return { cid = cid, edits = tonumber(edits), edit = edit, edited = edited, body = body }
end

local function pack_message(e, m)
  e.kind, e.rest = 'm', m.cid .. SEP .. m.body
  if m.edits > 0 then
    e.kind, e.rest = 'M', m.cid .. SEP .. str(m.edits) .. ':' .. m.edit .. ':' .. m.edited .. SEP .. m.body
  end
  return pack_entry(e)
end

-- Appends an entry: the first write of every change. `by` has the author's name in records, the id and the time.
local function append_entry(log, by, kind, messages, rest)
  local ts = math.max(by.now, log.ts)
  local offset = ts - id_time(by.id)
  local record = pack_entry({
    id = by.id, kind = kind, messages = messages, from = by.name, offset = offset == 0 and '' or str(offset), rest = rest,
  })
  call('RPUSH', LOG, record)
  call('HSET', META, 's', str(log.head + 1), 'l', by.id, 'n', str(messages), 't', str(ts))
  return record
end

-- ---- members ----

-- first: the first entry that they may see; base: messages before it; gone: the entry of their going, nil for members.
local function new_member(first, base)
  return { first = first, base = base, own = 0, last_own = 0, read_n = base, read_own = 0, delivered = base, blocks = '' }
end

local function parse_member(record)
  local first, base, own, last_own, read_n, read_own, delivered, blocks, gone =
    match(record, '^(%d+):(%d+):(%d+):(%d+):(%d+):(%d+):(%d+):(%d*):(%d*)$')
  return {
    first = tonumber(first), base = tonumber(base), own = tonumber(own), last_own = tonumber(last_own),
    read_n = tonumber(read_n), read_own = tonumber(read_own), delivered = tonumber(delivered), blocks = blocks,
    gone = tonumber(gone),
  }
end

local function write_member(user, m)
  local parts = { m.first, m.base, m.own, m.last_own, m.read_n, m.read_own, m.delivered }
  for i = 1, #parts do parts[i] = str(parts[i]) end
  parts[8], parts[9] = m.blocks, m.gone and str(m.gone) or ''
  call('HSET', RECORDS, user, table.concat(parts, ':'))
end

-- Also those who went; nil for strangers.
local function read_member(user, is_direct)
  local record = call('HGET', RECORDS, user)
  if record then return parse_member(record) end
  if is_direct then return new_member(1, 0) end
end

-- nil for those for whom there is no such conversation.
local function active_member(log, user, is_direct)
  local m = log.head > 0 and read_member(user, is_direct)
  if m and not m.gone then return m end
end

-- Whether one of the two of a direct conversation blocks the other; partner is '' in groups.
local function is_blocked(user, partner)
  if partner == '' then return false end
  for _, record in ipairs(call('HMGET', RECORDS, user, partner)) do
    if record and parse_member(record).blocks ~= '' then return true end
  end
  return false
end

local function member_count(is_direct) return is_direct and 2 or call('ZCARD', MEMBERS) end

-- ---- answers ----

local function refused(reason) return { 'refused', reason } end

-- Who else is there: '0' or '1' (changed), 'all' or 'author', members of a group …
local function noted(is_changed, user, partner, delivered)
  local answer = { 'noted', is_changed and '1' or '0', 'all', delivered and str(delivered) or '' }
  if is_blocked(user, partner) then
    answer[3] = 'author'
  elseif partner == '' then
    for _, member in ipairs(call('ZRANGE', MEMBERS, 0, -1)) do answer[#answer + 1] = member end
  end
  return answer
end

-- An entry and whom it concerns: number, id of the entry before, '1' when it goes into timelines, '1' when the group is
-- large, record, members of a group …
-- `concerned` are the users of a change of membership; nil for any other entry.
local function committed(word, number, record, is_direct, limit, concerned)
  local is_large = not is_direct and call('ZCARD', MEMBERS) > limit
  local answer = {
    word, str(number), entry_id(number - 1), (is_large and not concerned) and '0' or '1', is_large and '1' or '0', record,
  }
  if is_direct then return answer end
  local there = {}
  local function add(users)
    for _, user in ipairs(users) do
      if not there[user] then answer[#answer + 1] = user end
      there[user] = true
    end
  end
  if is_large and concerned then add({ parse_entry(record).from }) else add(call('ZRANGE', MEMBERS, 0, -1)) end
  add(concerned or {})
  return answer
end
