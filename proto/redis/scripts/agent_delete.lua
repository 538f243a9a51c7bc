-- ARGV: uid; reply: { error }
local uid = ARGV[1]
local name = call('HGET', AGENT .. uid, 'name')
if not name then
    return { ENOENT }
end
call('HDEL', AGENT_NAMES, name)
call('ZREM', AGENTS, uid)
call('DEL', AGENT .. uid)
changed(CHANGED_AGENTS, uid)
return { 0 }
