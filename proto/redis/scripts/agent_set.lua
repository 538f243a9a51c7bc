-- Orders an agent to be active (0), paused (1) or draining (2).
--
-- ARGV: uid, order, who; reply: { error }
local uid, order = ARGV[1], tonumber(ARGV[2])
local words = { [0] = 'active', 'paused', 'draining' }
local a = call('HMGET', AGENT .. uid, 'name', 'order')
if not a[1] then
    return { ENOENT }
elseif not words[order] then
    return { EINVAL }
end
local before = tonumber(a[2] or '0')
if order ~= before then
    call('HSET', AGENT .. uid, 'order', order)
    changed(CHANGED_AGENTS, uid)
    note('a', uid, a[1], ARGV[3], was_is('state', words[before] or '', words[order]))
end
return { 0 }
