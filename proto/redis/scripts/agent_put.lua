-- Creates an agent or replaces it.
--
-- ARGV: uid, name, document, created ms (0: as it was, or now), the name may be another's (1),
--       who, changes: for the audit list, where the agent was there before
-- reply: { error }
local uid, name, doc, created = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local holder = call('HGET', AGENT_NAMES, name)
local before = call('HMGET', AGENT .. uid, 'name', 'created', 'doc', 'updated')
if holder and holder ~= uid and before[1] ~= name and ARGV[5] ~= '1' then
    return { EEXIST }
end
if before[1] and before[1] ~= name and call('HGET', AGENT_NAMES, before[1]) == uid then
    call('HDEL', AGENT_NAMES, before[1])
end
if created == '0' then
    created = before[2] or NOW
end

-- Which webhooks the agent names: what tell() must know of it.
local function url_of(at, ...)
    for _, key in ipairs({ ... }) do
        at = type(at) == 'table' and at[key]
    end
    return type(at) == 'string' and at ~= ''
end
local ok, parsed = pcall(cjson.decode, doc)
local hooks = 0
if ok then
    hooks = (url_of(parsed, 'webhook_url') and 1 or 0)
        + ((url_of(parsed, 'config', 'resultWebhook', 'url')
            or url_of(parsed, 'resultWebhook', 'url')) and 2 or 0)
end
if before[3] and before[3] ~= doc then
    past.keep(uid)
    past.sweep()
end
-- Each change has a time of its own: by it a worker knows that it has read the latest document.
local updated = math.max(NOW, tonumber(before[4] or '0') + 1)
call('HSETNX', AGENT_NAMES, name, uid)
call('HSET', AGENT .. uid, 'name', name, 'doc', doc, 'created', created, 'updated', updated,
    'hooks', hooks)
if before[1] then
    note('a', uid, name, ARGV[6], ARGV[7])
else
    call('ZADD', AGENTS, call('INCR', SEQ), uid)
end
changed(CHANGED_AGENTS, uid)
return { 0 }
