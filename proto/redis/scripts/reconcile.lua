-- What a worker has dialled is told to a Redis that may have forgotten some of it (a lost lease, a
-- failover that lost acknowledged writes, FLUSHALL): whatever is not yet known is made known, and
-- what became somebody else's stays theirs.
--
-- ARGV: own number, number before, (entry, or entry, progress or '', outcome or '')*
--       An entry is kind, uid, fence, number of the attempt, when it was dialled, and what its intent
--       appends to the record. Kind D: it is up; C the same, with the places it takes before what is
--       appended, which are counted again if they were forgotten. U and E are from the journal of a process that has
--       died, or of what has ended, and are followed by the orders P and F of the same attempt (or
--       ''): U ends as unknown, E as it did.
-- reply: { 0, ended, orphans, fence* }: of each the fence that counts from now on; 0: Redis knew its
--        end, or it is another's; -1: there is no such call; -2, of U and E: it was forgotten, and
--        another has dialled it since
local worker, before, fences = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
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

-- The journal knows an attempt by what its intent has appended, whatever number its process had.
local function is_ours(uid, s, op, at, from_journal)
    if s[WORKER] == worker or s[WORKER] == before then
        return true
    end
    local entry = op:sub(at, at + 4 + unpack_('>I4', op, at + 1))
    return from_journal and call('GET', CALL .. uid):find(entry, 1, true)
end

local function make_known(op, from_journal)
    local uid, fence, tries, ms, at = unpack_('>c16I4HI6', op, 2)
    local s, places = state(uid), {}
    if op:byte(1) == 67 then -- C
        places, at = numbers.places.read(op, at)
    end
    if not s then
        if #places > 0 then
            numbers.places.hold(uid, places)
            call('SADD', held, uid) -- whoever finds us dead gives them back
        end
        return -1, uid
    elseif s[PHASE] < DIALING and s[TRIES] % ATTEMPT < tries then
        numbers.places.hold(uid, places)
        return dial_again(uid, s, fence, tries, ms, op:sub(at)), uid, s
    elseif s[PHASE] >= DIALING and s[PHASE] < ENDED and s[TRIES] % ATTEMPT <= tries and
        is_ours(uid, s, op, at, from_journal) then
        if s[TRIES] % ATTEMPT < tries then -- another trunk's turn was forgotten
            s[TRIES] = s[TRIES] - s[TRIES] % ATTEMPT + tries
            keep(uid, s)
            call('APPEND', CALL .. uid, op:sub(at))
        end
        numbers.places.hold(uid, places)
        return adopt(uid, s), uid, s
    elseif from_journal and s[PHASE] >= DIALING and not is_ours(uid, s, op, at, true) then
        return -2, uid
    end
    return 0, uid
end

-- Nobody talks on it any more: it gets the end it had, or one that says that nobody knows.
local function end_it(uid, s, progress, outcome)
    if progress ~= '' then
        local rang, answered, at = unpack_('>I6I6', progress, 22)
        attempt.note_progress(uid, s, rang, answered)
        keep(uid, s)
        call('APPEND', CALL .. uid, progress:sub(at))
    end
    if outcome == '' then
        reclaim(uid, worker, ARGV[1])
    elseif attempt.finish(outcome, uid, s, true) == '1' then
        tell_ended(uid)
    end
    call('SREM', held, uid)
end

local at = 3
while at <= #ARGV do
    local op = ARGV[at]
    if op:sub(1, 1) == 'D' or op:sub(1, 1) == 'C' then
        fences[#fences + 1] = make_known(op, false)
        at = at + 1
    else
        local fence, uid, s = make_known(op, true)
        fences[#fences + 1] = fence
        if fence > 0 then
            end_it(uid, s, ARGV[at + 1], ARGV[at + 2])
        end
        at = at + 3
    end
end
settle()
return { 0, ended, orphans, unpack(fences) }
