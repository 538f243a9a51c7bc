-- Webhook endpoints: one script for the four things done to them.
--
-- ARGV: 'put', uid, at most so many, (field, value)*   a new one
--       'set', uid, '', (field, value)*                changes of one
--       'del', uid
--       'get', uid or '' (all of them, oldest first)
-- reply: { error } or { 0, (uid, { field, value }*)* }
local what, uid = ARGV[1], ARGV[2]
local key = POINT .. uid
if what == 'get' then
    local out = { 0 }
    for _, one in ipairs(uid ~= '' and { uid } or call('ZRANGE', POINTS, 0, -1)) do
        local fields = call('HGETALL', POINT .. one)
        if #fields > 0 then
            out[#out + 1] = one
            out[#out + 1] = fields
        elseif uid ~= '' then
            return { ENOENT }
        end
    end
    return out
end

local known = call('EXISTS', key) == 1
if what == 'put' then
    if known then
        return { 0 } -- the same request again
    elseif call('ZCARD', POINTS) >= tonumber(ARGV[3]) then
        return { ECONFLICT }
    end
    call('ZADD', POINTS, call('INCR', SEQ), uid)
    call('HSET', key, 'created', NOW, 'fails', 0, 'why', '')
elseif not known then
    return { ENOENT }
end
if what == 'del' then
    call('ZREM', POINTS, uid)
    call('DEL', key)
else
    call('HSET', key, 'updated', NOW, unpack(ARGV, 4))
end
points_renew()
return { 0 }
