-- What was set aside as damaged, for whoever looks after it.
--
-- ARGV: 'list', how many to step over, how many    reply: { 0, where to go on or 0, (what, why, ms)* }
--       'requeue', what    reply: { error }; ECONFLICT: it still can't be read, or has ended, or is held
--       'drop', what       reply: { error }; what is damaged is deleted with the note of it
local SET_ASIDE = P .. 'dead' -- (outbox.lua has another DEAD)
local verb, what = ARGV[1], ARGV[2]
if verb == 'list' then
    local all, rows = call('HGETALL', SET_ASIDE), {}
    for i = 1, #all, 2 do
        local ms, why = all[i + 1]:match('^(%d+)%+? (.*)$')
        rows[#rows + 1] = { all[i], why or all[i + 1], tonumber(ms) or 0 }
    end
    table.sort(rows, function(a, b) -- newest first
        return a[3] > b[3] or a[3] == b[3] and a[1] < b[1]
    end)
    local from, take = tonumber(ARGV[2]), tonumber(ARGV[3])
    local out = { 0, from + take < #rows and from + take or 0 }
    for i = from + 1, math.min(from + take, #rows) do
        for k = 1, 3 do
            out[#out + 1] = rows[i][k]
        end
    end
    return out
end

local note = call('HGET', SET_ASIDE, what)
if not note then
    return { ENOENT }
end
local s = #what == 16 and state(what)
if verb == 'drop' then
    if #what == 16 and not s then
        call('DEL', CALL .. what)
    elseif #what ~= 16 and call('TYPE', what).ok ~= 'list' then
        call('DEL', what)
    end
    call('HDEL', SET_ASIDE, what)
    return { 0 }
end

if #what ~= 16 then -- a lane's queue: it is good again when it is a list, or nothing
    local type, lane = call('TYPE', what).ok, what:sub(#QUEUE + 1)
    if type ~= 'list' and type ~= 'none' then
        return { ECONFLICT }
    end
    changed(CHANGED_LANES, lane)
    call('HDEL', SET_ASIDE, what)
    return { 0 }
end
local def = s and lane_def(s[LANE])
if not s or s[PHASE] >= DIALING or s[WORKER] ~= 0 or not def or def[6] == 2 then
    return { ECONFLICT }
end
if note:match('^%d+%+') then
    count(s[LANE], 'ended', -1)
    count(s[LANE], 'e' .. REFUSED, -1)
    count(s[LANE], 'waiting', 1)
end
unwait(what, s)
let_wait(what, s, 0, '')
settle()
changed(CHANGED_LANES, s[LANE])
call('HDEL', SET_ASIDE, what)
return { 0 }
