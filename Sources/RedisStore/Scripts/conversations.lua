-- Reads a page of a user's list of conversations, newest activity first.
--
-- KEYS  1 memberships  2 activity
-- ARGV  1 activity before this seq ('' from the newest)  2 limit
-- Result: where the next page begins ('' when this was the last), (conversation, membership) …
-- Writes nothing. O(log conversations + limit)
local limit = tonumber(ARGV[2])
local from = ARGV[1] == '' and '+inf' or '(' .. ARGV[1]
local found = call('ZREVRANGEBYSCORE', KEYS[2], from, '-inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
local answer = { #found > 2 * limit and str(tonumber(found[2 * limit])) or '' }
for i = 1, math.min(#found, 2 * limit), 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = call('HGET', KEYS[1], found[i])
end
return answer
