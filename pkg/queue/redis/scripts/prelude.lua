-- What several scripts use. It stands before each of them.

-- now is the server's time in milliseconds, so that all processes have the same.
local function now()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- allow lets the script write although the server's memory is full, or else nothing could be taken out of it either. Redis
-- asks about the memory only before a script's first write, and not before one that removes something.
local function allow(leases)
	redis.call('ZREM', leases, '')
end

-- named makes a table of a reply of names and values.
local function named(flat)
	local t = {}
	for i = 1, #flat, 2 do
		t[flat[i]] = flat[i + 1]
	end
	return t
end

-- after says whether the id a comes after the id b.
local function after(a, b)
	local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
	local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
	if ams == bms then
		return tonumber(aseq) > tonumber(bseq)
	end
	return tonumber(ams) > tonumber(bms)
end

-- needed says whether any of the groups, as XINFO lists them, but for the one named except, still has to do with an entry:
-- it has not read it, or not acknowledged it.
local function needed(stream, groups, id, except)
	for _, flat in ipairs(groups) do
		local g = named(flat)
		if g.name ~= except then
			if after(id, g['last-delivered-id']) or #redis.call('XPENDING', stream, g.name, id, id, 1) > 0 then
				return true
			end
		end
	end
	return false
end
