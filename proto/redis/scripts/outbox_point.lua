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

-- Where rows up to now go: a URL that gives way to another stays as 'url@<last row>', the latest few.
local URLS_MAX = 8
local function keep_url()
    local before, last, kept = call('HGET', key, 'url'), call('GET', ROWS), {}
    for i = 4, #ARGV, 2 do
        if ARGV[i] == 'url' and before and last and ARGV[i + 1] ~= before then
            call('HSETNX', key, 'url@' .. last, before)
        end
    end
    for _, field in ipairs(call('HKEYS', key)) do
        kept[#kept + 1] = tonumber(field:match('^url@(%d+)$'))
    end
    table.sort(kept)
    for i = 1, #kept - URLS_MAX do
        call('HDEL', key, string.format('url@%.0f', kept[i]))
    end
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
    if known then
        keep_url()
    end
    call('HSET', key, 'updated', NOW, unpack(ARGV, 4))
end
points_renew()
return { 0 }
