-- Takes a message: one whose lease has ended, or else a new one.
-- KEYS: the stream, the leases. ARGV: the group, the consumer, the lease in milliseconds.
-- It returns {id, attempt, fields}; or, when there is none, {the stream's last id, milliseconds until the next lease ends or -1}.
local stream, leases, group, consumer, lease = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3])
local t = now()

for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', t, 'LIMIT', 0, 100)) do
	local got = redis.call('XCLAIM', stream, group, consumer, 0, id)
	if got[1] then
		redis.call('ZADD', leases, t + lease, id)
		return {id, redis.call('XPENDING', stream, group, id, id, 1)[1][4], got[1][2]}
	end
	-- Somebody has taken the entry out of the stream, or out of the group.
	redis.call('XACK', stream, group, id)
	redis.call('ZREM', leases, id)
end

local got = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
if got then
	local entry = got[1][2][1]
	redis.call('ZADD', leases, t + lease, entry[1])
	return {entry[1], 1, entry[2]}
end

local next = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
return {named(redis.call('XINFO', 'STREAM', stream))['last-generated-id'], next[2] and math.max(0, tonumber(next[2]) - t) or -1}
