-- ARGV: kind, 'id', uid* | kind, 'key', key | kind, 'list', skip, take (oldest first)
-- reply: { 0, (uid, key, document, created, updated)* }; what isn't there is left out
local kind, how, out, uids = ARGV[1], ARGV[2], { 0 }, {}
if how == 'id' then
    for i = 3, #ARGV do
        uids[#uids + 1] = ARGV[i]
    end
elseif how == 'key' then
    uids = { call('HGET', THING_KEYS .. kind, ARGV[3]) or nil }
else
    uids = call('ZRANGE', THINGS .. kind, ARGV[3], ARGV[3] + ARGV[4] - 1)
end
for _, uid in ipairs(uids) do
    local t = call('HMGET', THING .. kind .. ':' .. uid, 'key', 'doc', 'created', 'updated')
    if t[2] then
        out[#out + 1] = uid
        for f = 1, 4 do
            out[#out + 1] = t[f]
        end
    end
end
return out
