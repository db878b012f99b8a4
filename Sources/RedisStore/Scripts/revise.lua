-- Edits or recalls a message, or sets or takes back a reaction to it.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 author  2 partner ('' in a group)  3 the author's name in records  4 id  5 now (ms)  6 members that a large
--       group has more than  7 'edit', 'recall' or 'react'  8 n
--       9 … edit: body, ms that a message may be edited, edits at most
--           react: key, '1' or '0', reactions of a message at most
-- Result: 'appended' and what `committed` says, 'noted' when there was nothing to do, or a refusal
-- O(log n + members of a group); a recall also O(edits of the message)
local user, partner, what, n = ARGV[1], ARGV[2], ARGV[7], tonumber(ARGV[8])
local is_direct = partner ~= ''
local by = { name = ARGV[3], id = ARGV[4], now = tonumber(ARGV[5]) }

local log = read_log()
local member = active_member(log, user, is_direct)
if not member then return refused('not_found') end
if what ~= 'recall' and is_blocked(user, partner) then return refused('blocked') end
if n <= member.base or n > log.messages then return refused('no_message') end
local index = find_message(log, n)
local entry = parse_entry(call('LINDEX', LOG, str(index)))
local message = parse_message(entry)

local function appended(kind, rest)
  local record = append_entry(log, by, kind, log.messages, rest)
  return committed('appended', log.head + 1, record, is_direct, tonumber(ARGV[6]))
end

-- An edit knows the one before it, and the message the newest: so a recall finds them all.
local function edit(body, window, edits_max)
  if entry.from ~= by.name then return refused('not_own') end
  if message.body == '' then return refused('recalled') end
  if by.now - entry_time(entry) > window then return refused('too_late') end
  if message.body == body then return noted(false, user, partner) end
  if message.edits >= edits_max then return refused('edits') end
  local answer = appended('e', str(n) .. SEP .. message.edit .. SEP .. body)
  message.edits, message.edit, message.body = message.edits + 1, str(log.head + 1), body
  message.edited = str(math.max(by.now, log.ts))
  call('LSET', LOG, str(index), pack_message(entry, message))
  return answer
end

local function recall()
  if entry.from ~= by.name then return refused('not_own') end
  if message.body == '' then return noted(false, user, partner) end
  local answer = appended('r', str(n))
  message.body = ''
  call('LSET', LOG, str(index), pack_message(entry, message))
  local number = message.edit
  while number ~= '' do
    local at = str(tonumber(number) - 1)
    local change = parse_entry(call('LINDEX', LOG, at))
    number = match(change.rest, '^%d+\31(%d*)\31')
    change.rest = str(n) .. SEP .. number .. SEP
    call('LSET', LOG, at, pack_entry(change))
  end
  return answer
end

-- Reactions of a message are "key␞user␞user…␟key␞user…".
local function react(key, is_on, reactions_max)
  if message.body == '' then return refused('recalled') end
  local kept, users, count, is_set = {}, nil, 0, false
  for reaction in string.gmatch(call('HGET', REACTIONS, str(n)) or '', '[^\31]+') do
    local parts, is_key = {}, nil
    for part in string.gmatch(reaction, '[^\30]+') do
      if is_key == nil then
        is_key = part == key
      else
        count = count + 1
        if is_key and part == by.name then is_set = true end
      end
      if not (is_key and part == by.name and #parts > 0) then parts[#parts + 1] = part end
    end
    if is_key then users = parts end
    kept[#kept + 1] = parts
  end
  if is_set == is_on then return noted(false, user, partner) end
  if is_on and count >= reactions_max then return refused('reactions') end
  local answer = appended('a', str(n) .. SEP .. (is_on and '1' or '0') .. SEP .. key)
  if is_on then
    if not users then
      users = { key }
      kept[#kept + 1] = users
    end
    users[#users + 1] = by.name
  end
  local packed = {}
  for _, parts in ipairs(kept) do
    if #parts > 1 then packed[#packed + 1] = table.concat(parts, '\30') end
  end
  if #packed > 0 then
    call('HSET', REACTIONS, str(n), table.concat(packed, SEP))
  else
    call('HDEL', REACTIONS, str(n))
  end
  return answer
end

if what == 'edit' then return edit(ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])) end
if what == 'recall' then return recall() end
return react(ARGV[9], ARGV[10] == '1', tonumber(ARGV[11]))
