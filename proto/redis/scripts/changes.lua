-- What changed since a worker last looked. Things are complete before the first agent is told, and
-- agents before the first lane, so what a lane leads to is always known.
--
-- ARGV: revs of the last agent, lane and thing seen
-- reply: { agent rev, lane rev, more to come,
--          { (uid, name or nil, document, created, updated, order, 0)* }, { (lane, def, waiting, hook, retry)* },
--          thing rev, { (kind, uid, key, document or nil, created, updated)* } }
local AGENTS_MAX, LANES_MAX, THINGS_MAX = 32, 256, 256
local agents, lanes, things = {}, {}, {}
local since, lanes_since, things_since, more = ARGV[1], ARGV[2], ARGV[3], 0

local function news(of, rev, max)
    return call('ZRANGEBYSCORE', of, '(' .. rev, '+inf', 'WITHSCORES', 'LIMIT', 0, max)
end

local list = news(CHANGED_THINGS, things_since, THINGS_MAX)
for i = 1, #list, 2 do
    local kind, uid = list[i]:sub(1, -17), list[i]:sub(-16)
    local t = call('HMGET', THING .. kind .. ':' .. uid, 'key', 'doc', 'created', 'updated')
    things[#things + 1] = kind
    things[#things + 1] = uid
    for f = 1, 4 do
        things[#things + 1] = t[f]
    end
    things_since = list[i + 1]
end
if #list == 2 * THINGS_MAX then
    more = 1
else
    list = news(CHANGED_AGENTS, since, AGENTS_MAX)
    for i = 1, #list, 2 do
        local a = call('HMGET', AGENT .. list[i], 'name', 'doc', 'created', 'updated', 'order')
        agents[#agents + 1] = list[i]
        for f = 1, 5 do
            agents[#agents + 1] = a[f]
        end
        agents[#agents + 1] = 0
        since = list[i + 1]
    end
    if #list == 2 * AGENTS_MAX then
        more = 1
    end
end
if more == 0 then
    list = news(CHANGED_LANES, lanes_since, LANES_MAX)
    for i = 1, #list, 2 do
        local def = lane_def(tonumber(list[i]))
        if def then
            lanes[#lanes + 1] = tonumber(list[i])
            lanes[#lanes + 1] = def.text
            local waiting = redis.pcall('LLEN', QUEUE .. list[i])
            lanes[#lanes + 1] = type(waiting) == 'number' and waiting or 0
            local c = def[2] ~= NO_CAMPAIGN and
                call('HMGET', CAMPAIGN .. def[2], 'hook', 'retry') or {}
            lanes[#lanes + 1] = c[1] or ''
            lanes[#lanes + 1] = c[2] or ''
        end
        lanes_since = list[i + 1]
    end
    more = #list == 2 * LANES_MAX and 1 or 0
end
return { tonumber(since), tonumber(lanes_since), more, agents, lanes, tonumber(things_since),
    things }
