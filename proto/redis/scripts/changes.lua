-- What changed since a worker last looked. Agents are complete before the first lane is told, so
-- a lane's agent is always known.
--
-- ARGV: rev of the last agent seen, rev of the last lane seen
-- reply: { agent rev, lane rev, more to come,
--          { (uid, name or nil, document, created, updated)* }, { (lane, def, waiting, hook)* } }
local AGENTS_MAX, LANES_MAX = 32, 256
local agents, lanes = {}, {}
local since, lanes_since, more = ARGV[1], ARGV[2], 0

local list = call('ZRANGEBYSCORE', CHANGED_AGENTS, '(' .. since, '+inf', 'WITHSCORES',
    'LIMIT', 0, AGENTS_MAX)
for i = 1, #list, 2 do
    local a = call('HMGET', AGENT .. list[i], 'name', 'doc', 'created', 'updated')
    agents[#agents + 1] = list[i]
    for f = 1, 4 do
        agents[#agents + 1] = a[f]
    end
    since = list[i + 1]
end
if #list == 2 * AGENTS_MAX then
    more = 1
else
    list = call('ZRANGEBYSCORE', CHANGED_LANES, '(' .. lanes_since, '+inf', 'WITHSCORES',
        'LIMIT', 0, LANES_MAX)
    for i = 1, #list, 2 do
        local def = lane_def(tonumber(list[i]))
        if def then
            lanes[#lanes + 1] = tonumber(list[i])
            lanes[#lanes + 1] = def.text
            lanes[#lanes + 1] = call('LLEN', QUEUE .. list[i])
            lanes[#lanes + 1] = def[2] ~= NO_CAMPAIGN and
                call('HGET', CAMPAIGN .. def[2], 'hook') or ''
        end
        lanes_since = list[i + 1]
    end
    more = #list == 2 * LANES_MAX and 1 or 0
end
return { tonumber(since), tonumber(lanes_since), more, agents, lanes }
