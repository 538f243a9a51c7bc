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

local more = 0
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
    if #uids < 100 then
        call('ZREM', WORKERS, dead)
        call('DEL', STOPS .. dead)
        outbox_release(dead)
    end
end

-- Legs that a worker took over to end and died: a bounded number each time. One that lives repeats
-- its CANCEL or BYE by itself; after some time nothing can be up any more.
local LEG_MS, LEGS_MAX = 40000, 200
for _, uid in ipairs(call('HRANDFIELD', LEGS, LEGS_MAX)) do
    local by = call('HGET', LEGS, uid)
    local s = state(uid)
    if not s or s[OVER] + LEG_MS < NOW then
        call('HDEL', LEGS, uid)
    elseif by ~= own and tonumber(call('ZSCORE', WORKERS, by) or '0') == 0 then
        adopt_leg(uid, own)
    end
end
return { more, found, ended, orphans }
