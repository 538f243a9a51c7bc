-- ARGV: ('id', uid | 'name', name)* | 'list', skip, take
-- A list ends early once its documents have BYTES_MAX bytes (OD_AGENTS_BYTES_MAX of outdial/repo.h).
-- reply: { 0, (uid, name, document, created, updated, order, calls that workers hold)* }; an agent
-- asked for that is not there has seven empty ones, one of a list none
local BYTES_MAX = 500000
local out, bytes = { 0 }, 0
local function put(uid, always)
    local a = uid and call('HMGET', AGENT .. uid, 'name', 'doc', 'created', 'updated', 'order') or {}
    if a[1] or always then
        out[#out + 1] = a[1] and uid or ''
        for f = 1, 5 do
            out[#out + 1] = a[f] or ''
        end
        out[#out + 1] = a[1] and call('HGET', numbers.held, uid) or ''
        bytes = bytes + #(a[2] or '')
    end
end
if ARGV[1] == 'list' then
    for _, uid in ipairs(call('ZRANGE', AGENTS, ARGV[2], ARGV[2] + ARGV[3] - 1)) do
        put(uid, false)
        if bytes >= BYTES_MAX then
            break
        end
    end
else
    for i = 1, #ARGV, 2 do
        put(ARGV[i] == 'id' and ARGV[i + 1] or ARGV[i] == 'name' and call('HGET', AGENT_NAMES, ARGV[i + 1]), true)
    end
end
return out
