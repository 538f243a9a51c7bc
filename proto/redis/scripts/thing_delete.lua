-- ARGV: kind, uid; reply: { error }
local kind, uid = ARGV[1], ARGV[2]
local at = THING .. kind .. ':' .. uid
local key = call('HGET', at, 'key')
if not key then
    return { ENOENT }
end
if key ~= '' then
    call('HDEL', THING_KEYS .. kind, key)
end
call('ZREM', THINGS .. kind, uid)
call('DEL', at)
changed(CHANGED_THINGS, kind .. uid)
return { 0 }
