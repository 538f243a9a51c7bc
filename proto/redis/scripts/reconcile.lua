-- What a worker has dialled is told to a Redis that may have forgotten some of it (a lost lease, a
-- failover that lost acknowledged writes, FLUSHALL): whatever is not yet known is made known, and
-- what became somebody else's stays theirs.
--
-- ARGV: own number, number before, entry*; an entry is kind, uid, fence, number of the attempt,
--       when it was dialled, and the entries that its intent appends to the record
-- reply: { 0, fence* }: of each the fence that counts from now on; 0: it has ended or is another's;
--        -1: there is no such call
local worker, before, out = tonumber(ARGV[1]), tonumber(ARGV[2]), { 0 }
local held = HELD .. worker

-- Its intent was forgotten. Whoever claimed it since has not dialled it, and won't: the fence rises.
local function dial_again(uid, s, fence, tries, ms, entries)
    unwait(uid, s)
    if s[WORKER] == 0 then
        count(s[LANE], 'waiting', -1)
        count(s[LANE], 'active', 1)
    else
        call('SREM', HELD .. s[WORKER], uid)
    end
    s[PHASE], s[WORKER], s[FENCE] = DIALING, worker, math.max(s[FENCE], fence) + 1
    s[TRIES], s[DIALED] = s[TRIES] - s[TRIES] % ATTEMPT + tries, ms
    keep(uid, s)
    call('APPEND', CALL .. uid, entries)
    call('SADD', held, uid)
    return s[FENCE]
end

local function adopt(uid, s)
    if s[WORKER] ~= worker then
        call('SREM', HELD .. s[WORKER], uid)
        s[WORKER] = worker
        keep(uid, s)
    end
    call('SADD', held, uid)
    return s[FENCE]
end

for i = 3, #ARGV do
    local uid, fence, tries, ms, at = unpack_('>c16I4HI6', ARGV[i], 2)
    local s, verdict = state(uid), 0
    if not s then
        verdict = -1
    elseif s[PHASE] < DIALING and s[TRIES] % ATTEMPT < tries then
        verdict = dial_again(uid, s, fence, tries, ms, ARGV[i]:sub(at))
    elseif s[PHASE] >= DIALING and s[PHASE] < ENDED and s[TRIES] % ATTEMPT <= tries and
        (s[WORKER] == worker or s[WORKER] == before) then
        if s[TRIES] % ATTEMPT < tries then -- another trunk's turn was forgotten
            s[TRIES] = s[TRIES] - s[TRIES] % ATTEMPT + tries
            keep(uid, s)
            call('APPEND', CALL .. uid, ARGV[i]:sub(at))
        end
        verdict = adopt(uid, s)
    end
    out[#out + 1] = verdict
end
settle()
return out
