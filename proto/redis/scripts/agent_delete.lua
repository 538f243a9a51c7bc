-- ARGV: uid; reply: { error }
local uid = ARGV[1]
local name = call('HGET', AGENT .. uid, 'name')
if not name then
    return { ENOENT }
end
if call('HGET', AGENT_NAMES, name) == uid then
    call('HDEL', AGENT_NAMES, name)
end
past.keep(uid)
call('ZREM', AGENTS, uid)
call('DEL', AGENT .. uid)
changed(CHANGED_AGENTS, uid)
return { 0 }
