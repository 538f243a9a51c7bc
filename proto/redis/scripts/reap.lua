-- Puts right a bounded number of the calls that a dead worker holds, or those named.
--
-- ARGV: lease in ms (0: only workers known to be dead), worker or '', uid*
-- reply: { more to do, calls put right, ended }
local lease, worker, found = tonumber(ARGV[1]), ARGV[2], 0
if worker ~= '' then
    for i = 3, #ARGV do
        call('SREM', HELD .. worker, ARGV[i])
        found = found + reclaim(ARGV[i], tonumber(worker))
    end
    settle()
    return { 0, found, ended }
end

local dead = call('ZRANGEBYSCORE', WORKERS, '-inf', lease == 0 and 0 or NOW - lease,
    'LIMIT', 0, 1)[1]
if not dead then
    return { 0, 0, ended }
end
call('ZADD', WORKERS, 0, dead) -- it stays dead, even when it wakes up half-way through this
local uids = call('SPOP', HELD .. dead, 100)
table.sort(uids, function(a, b) -- oldest first, by the time in their names
    return unpack_('>I6', a) < unpack_('>I6', b)
end)
for _, uid in ipairs(uids) do
    found = found + reclaim(uid, tonumber(dead))
end
settle()
if #uids < 100 then
    call('ZREM', WORKERS, dead)
    call('DEL', STOPS .. dead)
end
return { 1, found, ended }
