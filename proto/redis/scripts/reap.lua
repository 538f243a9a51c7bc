-- Puts right a bounded number of the calls that a dead worker holds, or those named.
--
-- ARGV: own number, lease in ms (0: only workers known to be dead), worker or '', uid*
-- reply: { more to do, calls put right, ended, orphans }
local own, lease, worker, found = ARGV[1], tonumber(ARGV[2]), ARGV[3], 0
if worker ~= '' then
    for i = 4, #ARGV do
        call('SREM', HELD .. worker, ARGV[i])
        found = found + reclaim(ARGV[i], tonumber(worker), own)
    end
    settle()
    return { 0, found, ended, orphans }
end

-- A leg that a worker took over to end and died: the next one ends it. One that lives repeats its CANCEL
-- or BYE by itself; after some time nothing can be up any more.
local LEG_MS, LEGS_MAX = 40000, 100
local function inherit_legs(dead)
    local legs = call('ZPOPMAX', LEGS .. dead, LEGS_MAX) -- the latest first: they are up for sure
    for i = 1, #legs, 2 do
        local s = tonumber(legs[i + 1]) + LEG_MS >= NOW and state(legs[i])
        if s and (s[PHASE] < DIALING or s[PHASE] == ENDED) then -- else its present leg is another's
            adopt_leg(legs[i], own, legs[i + 1])
        end
    end
    return #legs / 2
end

local more = 0
past.sweep()
call('ZREMRANGEBYSCORE', LEGS .. own, '-inf', NOW - LEG_MS)
local dead = call('ZRANGEBYSCORE', WORKERS, '-inf', lease == 0 and 0 or NOW - lease,
    'LIMIT', 0, 1)[1]
if dead then
    more = 1
    call('ZADD', WORKERS, 0, dead) -- it stays dead, even when it wakes up half-way through this
    local uids = call('SPOP', HELD .. dead, 100)
    local whole = {}
    for _, uid in ipairs(uids) do
        if #uid == 16 then
            whole[#whole + 1] = uid
        end
    end
    table.sort(whole, function(a, b) -- oldest first, by the time in their names
        return unpack_('>I6', a) < unpack_('>I6', b)
    end)
    for _, uid in ipairs(whole) do
        found = found + reclaim(uid, tonumber(dead), own)
    end
    settle()
    if inherit_legs(dead) < LEGS_MAX and #uids < 100 then
        call('ZREM', WORKERS, dead)
        call('DEL', STOPS .. dead)
        outbox_release(dead)
    end
end
return { more, found, ended, orphans }
