-- Describes a conversation to one of its members.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 member  2 partner ('' in a group)  3 members shown at most  4 members up to which each is told how far the
--       others are
-- Result: number and id of the head, messages, owner, title ('' or '=' and the title), number of members, the member's
--         cursor, own messages up to it, own messages in all, '1' when the member blocks the partner, record of the newest
--         message ('' when there is none) and its reactions, number of members shown, these …, (user, read up to, received
--         up to) …; nothing for strangers
-- Writes nothing. O(log of what follows the newest message + members shown)
local user, partner = ARGV[1], ARGV[2]
local is_direct = partner ~= ''
local log = read_log()
local member = active_member(log, user, is_direct)
if not member then return {} end

local last, reactions = '', ''
if log.messages > member.base then
  last = call('LINDEX', LOG, str(find_message(log, log.messages)))
  reactions = call('HGET', REACTIONS, str(log.messages)) or ''
end
local settings = call('HMGET', META, 'o', 'h')
local count = member_count(is_direct)
local shown = is_direct and {} or call('ZRANGE', MEMBERS, 0, tonumber(ARGV[3]) - 1)
local answer = {
  str(log.head), log.id, str(log.messages), settings[1] or '', settings[2] and '=' .. settings[2] or '', count,
  str(member.read_n), str(member.read_own), str(member.own), member.blocks == '' and '0' or '1', last, reactions, #shown,
}
for _, name in ipairs(shown) do answer[#answer + 1] = name end
if count > tonumber(ARGV[4]) then return answer end
for _, name in ipairs(is_direct and { partner } or call('ZRANGE', MEMBERS, 0, -1)) do
  if name ~= user then
    local other = read_member(name, is_direct)
    answer[#answer + 1] = name
    answer[#answer + 1] = str(other.read_n)
    answer[#answer + 1] = str(other.delivered)
  end
end
return answer
