-- Makes a message receivable that nobody has seen, as if it had not been taken.
-- KEYS: the stream, the leases. ARGV: the group, the id, the attempt.
local stream, leases, group, id, attempt = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3])
local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
if pending and pending[4] == attempt then
	redis.call('XCLAIM', stream, group, pending[2], 0, id, 'RETRYCOUNT', attempt - 1, 'JUSTID')
	redis.call('ZADD', leases, 0, id)
end
return 1
