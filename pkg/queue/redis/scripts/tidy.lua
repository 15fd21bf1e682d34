-- Removes consumers that have no messages and have not been heard of for a while, and the oldest entries that no group has
-- to do with any more: they were left when another group was slower.
-- KEYS: the stream. ARGV: the group, the milliseconds, the one consumer to look at or nothing for all.
local stream, group, idle, only = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
	local c = named(flat)
	if c.pending == 0 and c.idle >= idle and (only == '' or only == c.name) then
		redis.call('XGROUP', 'DELCONSUMER', stream, group, c.name)
	end
end
local groups = redis.call('XINFO', 'GROUPS', stream)
for _ = 1, 1000 do
	local entry = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
	if not entry or needed(stream, groups, entry[1]) then
		break
	end
	redis.call('XDEL', stream, entry[1])
end
return 1
