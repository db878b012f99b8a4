-- Appends a message to a conversation, once per sender and cid.
--
-- KEYS  1 … 6 as in lib_conversations.lua  7, 8 what was sent (two generations)
-- ARGV  1 sender  2 partner ('' in a group)  3 the sender's name in records  4 id  5 now (ms)  6 members that a large
--       group has more than  7 cid  8 body  9 fingerprint of sender and cid  10 fingerprint of the body
--       11 ms that these are remembered
-- Result: 'appended' or 'duplicate' and what `committed` says, or a refusal
-- O(members of a group)
local user, partner, now, cid, horizon = ARGV[1], ARGV[2], tonumber(ARGV[5]), ARGV[7], tonumber(ARGV[11])
local is_direct, limit = partner ~= '', tonumber(ARGV[6])
local by = { name = ARGV[3], id = ARGV[4], now = now }

local log = read_log()
local member = read_member(user, is_direct)
if not member then return refused('not_found') end

-- What was sent is remembered as "number of the entry:fingerprint of the body". The log has the last word: fingerprints
-- of two cids may be the same.
local generations = { KEYS[7], KEYS[8] }
local seen, current, begun = seen_before(generations, ARGV[9], now, horizon)
if seen then
  local number, body = match(seen, '^(%d+):(.*)$')
  local record = call('LINDEX', LOG, str(tonumber(number) - 1))
  local entry = record and parse_entry(record)
  if entry and entry.from == by.name and parse_message(entry).cid == cid then
    if body ~= ARGV[10] then return refused('conflict') end
    return committed('duplicate', tonumber(number), record, is_direct, limit)
  end
end
-- After the look at what was sent: an error would say that it is nowhere.
if member.gone then return refused('not_found') end
if is_blocked(user, partner) then return refused('blocked') end

local n = log.messages + 1
local record = append_entry(log, by, 'm', n, cid .. SEP .. ARGV[8])
member.own, member.last_own = member.own + 1, n
write_member(user, member)
remember(generations, current, begun, ARGV[9], str(log.head + 1) .. ':' .. ARGV[10], now, horizon)
return committed('appended', log.head + 1, record, is_direct, limit)
