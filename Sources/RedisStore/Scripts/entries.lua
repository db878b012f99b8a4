-- Reads what follows a position in a log, as far as one member may see it, and who is to be advanced.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 member ('' for the members and the head alone)  2 '1' for a direct conversation  3 number ('' for the member's
--       joining)  4 id at it  5 limit  6 members that a large group has more than  7 entries for which those who went
--       are told of
-- Result: number and id from where the entries follow, '1' when the log forked, number and id of the head, number of
--         entries, entries …, members of a group …; nothing for strangers
-- Writes nothing. O(distance from the nearer end + limit + members)
local user, is_direct, limit = ARGV[1], ARGV[2] == '1', tonumber(ARGV[5])
local log = read_log()
if log.head == 0 then return {} end

local from, id, is_forked, records = tonumber(ARGV[3]), ARGV[4], false, {}
if user ~= '' then
  local member = read_member(user, is_direct)
  if not member then return {} end
  if not from or from < member.first - 1 then
    from = member.first - 1
    id = entry_id(from)
  elseif from > log.head or (from > 0 and entry_id(from) ~= id) then
    is_forked = true
  end
  local last = math.min(from + limit, member.gone or log.head)
  if not is_forked and last > from then records = call('LRANGE', LOG, str(from), str(last - 1)) end
end

local answer = { str(from or 0), from and id or '', is_forked and '1' or '0', str(log.head), log.id, #records }
for i = 1, #records do answer[6 + i] = records[i] end
if is_direct then return answer end
-- In a large group only those who came or went are written to.
local since = str(log.head - tonumber(ARGV[7]))
local is_large = call('ZCARD', MEMBERS) > tonumber(ARGV[6])
local oldest = is_large and '(' .. str((tonumber(since) + 1) * PLACES) or '-inf'
for _, name in ipairs(call('ZRANGEBYSCORE', MEMBERS, oldest, '+inf')) do answer[#answer + 1] = name end
for _, name in ipairs(call('ZRANGEBYSCORE', GONE, '(' .. since, '+inf')) do answer[#answer + 1] = name end
return answer
