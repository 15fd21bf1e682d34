-- Sets the end of a delivery's lease.
-- KEYS: the stream, the leases. ARGV: the group, the id, the attempt, milliseconds from now.
-- It returns 1, or 0 when the message was deleted or delivered again.
local stream, leases, group, id, attempt, d = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
if not pending or pending[4] ~= attempt then
	return 0
end
allow(leases)
redis.call('ZADD', leases, now() + d, id)
return 1
