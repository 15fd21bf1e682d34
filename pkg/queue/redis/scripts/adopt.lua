-- Lets the leases end of messages that the group has delivered without one: to a client that is not ours, or before the
-- leases were lost.
-- KEYS: the stream, the leases. ARGV: the group, the id after which to begin, how many to look at.
-- It returns the last id that it has looked at, empty when there are no more.
local stream, leases, group = KEYS[1], KEYS[2], ARGV[1]
local last = ''
for _, pending in ipairs(redis.call('XPENDING', stream, group, '(' .. ARGV[2], '+', ARGV[3])) do
	last = pending[1]
	allow(leases)
	redis.call('ZADD', leases, 'NX', now(), last)
end
return last
