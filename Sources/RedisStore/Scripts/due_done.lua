-- Ends claims: sets when the user is due next, or removes the entry, unless something was added meanwhile.
--
-- KEYS  1 due (one of 16)
-- ARGV  1 claim  2 … (user, when next, '' for never) …
-- Result: 1
-- O(users × log users)
local claim = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local score = tonumber(call('ZSCORE', KEYS[1], ARGV[i]) or nil)
  local when = tonumber(ARGV[i + 1])
  if score == claim and not when then
    call('ZREM', KEYS[1], ARGV[i])
  elseif when and (score == claim or score == nil or when < score) then
    call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
  end
end
return 1
