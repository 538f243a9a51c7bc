-- A Redis that is another than before (started again, or a replica that took over) may have forgotten
-- what was dialled, and only who dialled it knows. So nobody claims from it before everyone who was
-- at work has told what he has dialled, or has been silent for too long. Who died just then is awaited,
-- too: only his journal knows what he dialled in the writes that were lost.
--
-- ARGV: own number, number before, run_id of this Redis, how long others are awaited in ms
-- reply: { 0, how many are still awaited }
local RUN, AWAITED = P .. 'run', P .. 'awaited'
local run = call('GET', RUN)
if run ~= ARGV[3] then
    call('SET', RUN, ARGV[3])
    call('DEL', AWAITED)
    if run then -- else there was nobody at work
        for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS, 1, '+inf')) do
            call('SADD', AWAITED, worker)
        end
        call('PEXPIRE', AWAITED, ARGV[4])
    end
end
call('SREM', AWAITED, ARGV[1], ARGV[2])
return { 0, call('SCARD', AWAITED) }
