-- Makes a group, or changes its title or who is in it.
--
-- KEYS  1 … 6 as in lib_conversations.lua
-- ARGV  1 author  2 ''  3 the author's name in records  4 id  5 now (ms)  6 members that a large group has more than
--       7 'create', 'update', 'add', 'remove' or 'leave'  8 members at most  9 title ('' when it does not change, or '='
--       and the title)  10 entries for which those who went are remembered  11 … users, each once; for create the author
--       first
-- Result: 'appended' or (create) 'duplicate' and what `committed` says, 'noted' when there was nothing to do, or a refusal
-- O(members)
local user, what, title = ARGV[1], ARGV[7], ARGV[9]
local members_max, limit = tonumber(ARGV[8]), tonumber(ARGV[6])
local by = { name = ARGV[3], id = ARGV[4], now = tonumber(ARGV[5]) }
local users = {}
for i = 11, #ARGV do users[#users + 1] = ARGV[i] end

local log = read_log()

local function appended(kind, concerned, change)
  local rest = kind .. SEP .. table.concat(concerned, ' ') .. SEP .. title
  local record = append_entry(log, by, 'g', log.messages, rest)
  change()
  if #concerned == 0 then concerned = nil end
  return committed('appended', log.head + 1, record, false, limit, concerned)
end

local function join(joining)
  for place, name in ipairs(joining) do
    write_member(name, new_member(log.head + 1, log.messages))
    call('ZADD', MEMBERS, str((log.head + 1) * PLACES + place), name)
    call('ZREM', GONE, name)
  end
end

-- Those who go are remembered, so that they still get the entry of it; those who went long ago are forgotten.
local function go(going)
  for _, name in ipairs(going) do
    local m = read_member(name, false)
    m.gone = log.head + 1
    write_member(name, m)
    call('ZREM', MEMBERS, name)
    call('ZADD', GONE, str(log.head + 1), name)
  end
  local forgotten = log.head - tonumber(ARGV[10])
  for _, name in ipairs(call('ZRANGEBYSCORE', GONE, '-inf', str(forgotten), 'LIMIT', 0, 100)) do
    call('HDEL', RECORDS, name)
    call('ZREM', GONE, name)
  end
end

-- Those of the users who are members, or who are not.
local function which(are_members)
  local found = {}
  for _, name in ipairs(users) do
    if (call('ZSCORE', MEMBERS, name) ~= false) == are_members then found[#found + 1] = name end
  end
  return found
end

if what == 'create' then
  if log.head > 0 then
    if call('HGET', META, 'c') ~= user then return refused('exists') end
    local record = call('LINDEX', LOG, 0)
    local first = {}
    local names = match(parse_entry(record).rest, '^created\31([^\31]*)')
    for name in string.gmatch(names, '%S+') do first[#first + 1] = name end
    return committed('duplicate', 1, record, false, limit, first)
  end
  if #users > members_max then return refused('members') end
  return appended('created', users, function()
    call('HSET', META, 'c', user, 'o', user)
    if title ~= '' then call('HSET', META, 'h', sub(title, 2)) end
    join(users)
  end)
end

if not active_member(log, user, false) then return refused('not_found') end

if what == 'update' then
  if title == '' or '=' .. (call('HGET', META, 'h') or '') == title then return noted(false, user, '') end
  return appended('updated', {}, function() call('HSET', META, 'h', sub(title, 2)) end)
end

if what == 'add' then
  local joining = which(false)
  if #joining == 0 then return noted(false, user, '') end
  if member_count(false) + #joining > members_max then return refused('members') end
  return appended('added', joining, function() join(joining) end)
end

if what == 'remove' then
  if call('HGET', META, 'o') ~= user then return refused('not_owner') end
  local going = which(true)
  for _, name in ipairs(going) do
    if name == user then return refused('oneself') end
  end
  if #going == 0 then return noted(false, user, '') end
  return appended('removed', going, function() go(going) end)
end

-- The one who has been there longest takes the place of an owner who leaves.
return appended('left', { user }, function()
  go({ user })
  if call('HGET', META, 'o') == user then call('HSET', META, 'o', call('ZRANGE', MEMBERS, 0, 0)[1] or '') end
end)
