-- ARGV: 'id', uid | 'name', name | 'list', skip, take
-- reply: { 0, (uid, name, document, created, updated)* } or { error }
local out, uids = { 0 }, {}
if ARGV[1] == 'id' then
    uids = { ARGV[2] }
elseif ARGV[1] == 'name' then
    uids = { call('HGET', AGENT_NAMES, ARGV[2]) or nil }
else
    uids = call('ZRANGE', AGENTS, ARGV[2], ARGV[2] + ARGV[3] - 1)
end
for _, uid in ipairs(uids) do
    local a = call('HMGET', AGENT .. uid, 'name', 'doc', 'created', 'updated')
    if a[1] then
        out[#out + 1] = uid
        for f = 1, 4 do
            out[#out + 1] = a[f]
        end
    end
end
if ARGV[1] ~= 'list' and #out == 1 then
    return { ENOENT }
end
return out
