-- ARGV: uid, agent, name, state, priority, cps in thousandths, max calls, webhook, created,
--       started, retry rule or ''; reply: { error }
local uid, agent, state_ = ARGV[1], ARGV[2], tonumber(ARGV[4])
if call('EXISTS', CAMPAIGN .. uid) == 1 then
    return { 0 } -- the same create, done again
elseif call('EXISTS', AGENT .. agent) == 0 then
    return { ENOENT }
end
local lane = lane_for(agent, uid, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]),
    state_ == 1 and 1 or 0, '')
call('HSET', CAMPAIGN .. uid, 'agent', agent, 'name', ARGV[3], 'state', state_, 'prio', ARGV[5],
    'cps', ARGV[6], 'max', ARGV[7], 'hook', ARGV[8], 'created', ARGV[9], 'started', ARGV[10],
    'lane', lane, 'retry', ARGV[11])
call('RPUSH', CAMPAIGNS, uid)
emit(EV.CREATED, uid, 0, 0, NOW)
return { 0 }
