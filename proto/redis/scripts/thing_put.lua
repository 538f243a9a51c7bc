-- Creates a thing or replaces it.
--
-- ARGV: kind, uid, key or '', document, create only (1); reply: { error }
local kind, uid, key, doc = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local at, keys = THING .. kind .. ':' .. uid, THING_KEYS .. kind
local before = call('HMGET', at, 'key', 'doc')
if before[2] and ARGV[5] == '1' then
    return { before[2] == doc and 0 or EEXIST } -- the same create may come twice
end
local holder = key ~= '' and call('HGET', keys, key)
if holder and holder ~= uid then
    return { EEXIST }
end
if before[1] and before[1] ~= '' and before[1] ~= key then
    call('HDEL', keys, before[1])
end
if key ~= '' then
    call('HSET', keys, key, uid)
end
call('HSET', at, 'key', key, 'doc', doc, 'updated', NOW)
call('HSETNX', at, 'created', NOW)
if not before[2] then
    call('ZADD', THINGS .. kind, call('INCR', SEQ), uid)
end
changed(CHANGED_THINGS, kind .. uid)
return { 0 }
