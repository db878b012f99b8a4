-- Functions of the scripts of one user's side of conversations; put behind lib.lua in front of each of them.
--
-- A conversation is named as docs/redis-keys.md says: '@' and the partner, or the group's id.

-- Cursor (number, id), counts, and whether it is muted, and gone: the user is no member any more.
local function parse_membership(record)
  local number, id, messages, own, read_n, read_own, flags =
    match(record, '^(%d+)\31([^\31]*)\31(%d+)\31(%d+)\31(%d+)\31(%d+)\31(%a*)$')
  return {
    number = tonumber(number), id = id, messages = tonumber(messages), own = tonumber(own), read_n = tonumber(read_n),
    read_own = tonumber(read_own), muted = find(flags, 'm', 1, true) ~= nil, gone = find(flags, 'g', 1, true) ~= nil,
  }
end

-- nil when there is no cursor.
local function read_membership(memberships, name)
  local record = call('HGET', memberships, name)
  if record then return parse_membership(record) end
end

local function write_membership(memberships, name, m)
  call('HSET', memberships, name, table.concat({
    str(m.number), m.id, str(m.messages), str(m.own), str(m.read_n), str(m.read_own),
    (m.muted and 'm' or '') .. (m.gone and 'g' or ''),
  }, SEP))
end

-- Messages of others after the cursor.
local function unread_of(m)
  if m.gone then return 0 end
  return math.max(0, (m.messages - m.read_n) - (m.own - m.read_own))
end

-- What the conversation adds to the total.
local function counted_of(m) return m.muted and 0 or unread_of(m) end

-- Keeps what the total is the sum of.
local function write_counted(conversations, name, m)
  local count = counted_of(m)
  if count > 0 then call('HSET', conversations, name, str(count)) else call('HDEL', conversations, name) end
end

-- An event of a conversation as it stands in a timeline. `totals` are unread messages and notifications after the event,
-- nil when it did not change them; `unread` is that of the conversation, or ''.
local function pack_event(totals, unread, name, record)
  local text = totals and str(totals[1]) .. (totals[2] > 0 and ' ' .. str(totals[2]) or '') or ''
  return '\1' .. text .. SEP .. unread .. SEP .. name .. SEP .. record
end
