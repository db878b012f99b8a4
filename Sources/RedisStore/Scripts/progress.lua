-- Notes how far a member has read or received, whether the one blocks the other, or only asks who may know of something.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 author  2 partner ('' in a group)  3 the author's name in records  4 id  5 now (ms)  6 members that a large
--       group has more than  7 'read', 'delivered', 'typing' or 'block'  8 … read: n, '1' when also backward, members
--       whom it is told to at most; delivered: n; block: '1' or '0'
-- Result: read: 'appended' and what `committed` says, or 'cursor', n, own messages up to n; otherwise 'noted'; or a
--         refusal
-- O(members of a group); a read also O(entries between n and the nearer one of cursor and newest own message)
local user, partner, what = ARGV[1], ARGV[2], ARGV[7]
local is_direct = partner ~= ''

local log = read_log()

-- Blocking begins before the first message.
if what == 'block' and is_direct then
  local member, blocks = read_member(user, true), ARGV[8] == '1' and '1' or ''
  local is_changed = member.blocks ~= blocks
  if is_changed then
    member.blocks = blocks
    write_member(user, member)
  end
  return noted(is_changed, user, partner)
end

local member = active_member(log, user, is_direct)
if not member then return refused('not_found') end
if what == 'block' then return refused('direct_only') end
if what == 'typing' then return noted(false, user, partner) end

local n = math.min(tonumber(ARGV[8]), log.messages)
if what == 'delivered' then
  local is_changed = n > member.delivered
  if is_changed then
    member.delivered = n
    write_member(user, member)
  end
  return noted(is_changed, user, partner, member.delivered)
end

-- How many of the messages first … last are the author's.
local function count_own(first, last)
  if first > last then return 0 end
  local count, at, to = 0, find_message(log, first), find_message(log, last)
  while at <= to do
    for _, record in ipairs(call('LRANGE', LOG, str(at), str(math.min(at + 49, to)))) do
      local kind, from = match(record, '^[^\31]*\31(%a)\31%d+\31([^\31]*)\31')
      if (kind == 'm' or kind == 'M') and from == ARGV[3] then count = count + 1 end
    end
    at = at + 50
  end
  return count
end

-- How many of the messages up to n are the author's, counted on from where it is known and near.
local function own_up_to()
  if n >= member.last_own then return member.own end
  if n <= member.base then return 0 end
  if math.abs(n - member.read_n) <= member.last_own - n then
    if n < member.read_n then return member.read_own - count_own(n + 1, member.read_n) end
    return member.read_own + count_own(member.read_n + 1, n)
  end
  return member.own - count_own(n + 1, member.last_own)
end

n = math.max(n, member.base)
if n == member.read_n or (n < member.read_n and ARGV[9] ~= '1') then
  return { 'cursor', str(member.read_n), str(member.read_own) }
end
member.read_own = own_up_to()
member.read_n = n
if member_count(is_direct) > tonumber(ARGV[10]) then
  write_member(user, member)
  return { 'cursor', str(n), str(member.read_own) }
end
local by = { name = ARGV[3], id = ARGV[4], now = tonumber(ARGV[5]) }
local record = append_entry(log, by, 'd', log.messages, str(n) .. SEP .. str(member.read_own))
write_member(user, member)
return committed('appended', log.head + 1, record, is_direct, tonumber(ARGV[6]))
