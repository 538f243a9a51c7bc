-- ARGV: 'id', uid | 'list', skip, take; reply: { 0, (uid, { field, value, ... })* } or { error }
local out, uids = { 0 }, { ARGV[2] }
if ARGV[1] == 'list' then
    local skip, take = tonumber(ARGV[2]), tonumber(ARGV[3])
    local length = call('LLEN', CAMPAIGNS)
    uids = skip < length and
        call('LRANGE', CAMPAIGNS, math.max(length - skip - take, 0), length - skip - 1) or {}
end
for i = #uids, 1, -1 do
    local fields = call('HGETALL', CAMPAIGN .. uids[i])
    if #fields > 0 then
        out[#out + 1] = uids[i]
        out[#out + 1] = fields
    end
end
if ARGV[1] == 'id' and #out == 1 then
    return { ENOENT }
end
return out
