-- Deletes a message. Its entry stays in the stream as long as another group has to do with it.
-- KEYS: the stream, the leases. ARGV: the group, the id.
local stream, leases, group, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
redis.call('ZREM', leases, id)
if redis.call('EXISTS', stream) == 0 then
	return 1
end
redis.call('XACK', stream, group, id)
if not needed(stream, redis.call('XINFO', 'GROUPS', stream), id, group) then
	redis.call('XDEL', stream, id)
end
return 1
