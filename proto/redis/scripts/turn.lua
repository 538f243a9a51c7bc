-- One turn of one worker in one org: stores its orders, lets due calls in and late ones out, and
-- hands it new calls. All of it or nothing: it begins with the lease.
--
-- ARGV: worker, its name, ms after which its lease is renewed, last stop order seen, lanes asked,
--       caps (attempts and ms of each, packed), 1 to be told how many calls are up,
--       (lane, how many)*, order*
-- reply: { rev, verdicts, { { left, (uid, record)* }* }, { (order, number)* }, ended,
--          ms until the outbox has something to do or -1,
--          { ms since the lease was renewed, (what is broken, why)* },
--          { (place, calls)* of the org, (place, calls)* of trunks } or {} }, or
--        { rev } when the lease is lost
local worker, renew, seen, asked = tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local held, caps = HELD .. worker, ARGV[6]

local lease = tonumber(call('ZSCORE', WORKERS, worker) or '0')
local rev = tonumber(call('GET', REV) or '0')
-- Another worker has taken what was held; or Redis has forgotten us and gave our number away.
if lease == 0 or call('HGET', WORKER_IDS, '=' .. ARGV[2]) ~= ARGV[1] then
    return { rev }
end
if NOW - lease >= renew then -- renewing each time would only wear the disk
    call('ZADD', WORKERS, NOW, worker)
    lease = NOW
end

-- Orders. Each may come twice (its reply was lost), so each finds its own effect acceptable.
local verdicts, dropped, now_held = {}, {}, {}

local does
do -- a block of its own: a script may have 200 locals at a time
local anyone_suppressed = call('EXISTS', numbers.suppressed) == 1

-- The moment of dialling: what forbids it now is asked now. True: it may go on.
local function may_dial(uid, s, ms, shared)
    if not (anyone_suppressed or shared or #caps > 0) then
        return true
    end
    local to = numbers.of(uid)
    if anyone_suppressed and call('ZSCORE', numbers.suppressed, to) then
        end_undialed(uid, s, REFUSED, 'suppressed number')
        return false
    end
    if shared or #caps > 0 then
        local log, free = numbers.dialled(to, caps, ms)
        if free > ms then
            dropped[#dropped + 1] = uid
            give_back(uid, s, free, 'cap')
            return false
        end
        call('SET', numbers.log .. to, log .. pack('>I6', ms), 'PX', numbers.kept_ms)
    end
    return true
end

local function intent(op, uid, s)
    local tries, ms, at = unpack_('>HI6', op, 22)
    local wanted
    wanted, at = numbers.places.read(op, at)
    local shared = tries >= 32768 -- its number's attempts are counted over all campaigns
    tries = tries % 32768
    if s[PHASE] == DIALING and s[TRIES] % ATTEMPT == tries then
        return '1'
    end
    -- another INVITE of the same claim follows one that its trunk refused before any phone rang: no
    -- attempt of its own on the person
    local again = s[PHASE] == DIALING and tries > s[TRIES] % ATTEMPT
    if not again and s[PHASE] >= DIALING then
        return '0'
    end
    if again then -- perhaps through another trunk
        numbers.places.free(uid)
    end
    local full = numbers.places.take(uid, wanted)
    if full then
        dropped[#dropped + 1] = uid
        give_back(uid, s, NOW + numbers.places.wait_ms, numbers.places.why[full:sub(1, 1)])
        return '0'
    end
    if not again and not may_dial(uid, s, ms, shared) then
        return '0'
    end
    s[PHASE], s[TRIES] = DIALING, s[TRIES] - s[TRIES] % ATTEMPT + tries
    s[DIALED] = again and s[DIALED] or ms -- as it stands in its number's log
    keep(uid, s)
    call('APPEND', CALL .. uid, op:sub(at))
    return '1'
end

local function progress(op, uid, s)
    if s[PHASE] < DIALING or s[PHASE] == ENDED then
        return '0'
    end
    local rang, answered, at = unpack_('>I6I6', op, 22)
    attempt.note_progress(uid, s, rang, answered)
    keep(uid, s)
    if #op >= at then -- what it takes to end the leg from here on
        call('APPEND', CALL .. uid, op:sub(at))
    end
    return '1'
end

local function release(op, uid, s)
    if s[PHASE] == ENDED then
        return '0'
    end
    local due = unpack_('>I6', op, 22)
    dropped[#dropped + 1] = uid
    give_back(uid, s, due, op:sub(28))
    return '1'
end

local function finish(op, uid, s)
    dropped[#dropped + 1] = uid
    return attempt.finish(op, uid, s, #caps > 0)
end

-- A claimed record whose job could not be read.
local function set_aside(op, uid, s)
    if s[PHASE] < ENDED then
        bury(uid, op:sub(22))
        dropped[#dropped + 1] = uid
        end_call(uid, s, REFUSED, NOW)
        keep(uid, s)
        tell_ended(uid)
    end
    return '1'
end

does = { X = set_aside, I = intent, P = progress, L = release, F = finish }

-- The callee is handed on, for the nth time in this attempt; told once, however often the order
-- comes. What others hear before it is told before it.
function does.T(op, uid, s)
    if s[PHASE] < DIALING or s[PHASE] == ENDED then
        return '0'
    end
    local rang, answered, ms, nth = unpack_('>I6I6I6B', op, 22)
    attempt.note_progress(uid, s, rang, answered)
    keep(uid, s)
    local key, this = P .. 'wm:' .. uid, s[TRIES] % ATTEMPT * 256
    local told = tonumber(call('GET', key) or '0')
    for _ = 1, nth - (told >= this and told - this or 0) do
        tell(uid, s, T_TRANSFER, ms, call('STRLEN', CALL .. uid))
    end
    call('SET', key, this + nth, 'EX', 86400) -- longer than any order is repeated
    return '1'
end

-- What ends the second leg of a call, before it is dialled and whenever more of it is known. A call
-- that is stopped dials nobody else.
function does.B(op, uid, s)
    if s[PHASE] < DIALING or s[PHASE] == ENDED or s[FLAGS] >= STOPPED then
        return '0'
    end
    call('APPEND', CALL .. uid, op:sub(22))
    return '1'
end
end
for i = 8 + 2 * asked, #ARGV do
    local op = ARGV[i]
    local uid, fence = unpack_('>c16I4', op, 2)
    local s = state(uid)
    if s and s[WORKER] == worker and s[FENCE] == fence then
        verdicts[#verdicts + 1] = does[op:sub(1, 1)](op, uid, s)
    else
        if not s and (op:byte(1) == 70 or op:byte(1) == 76) then -- F, L: of a call that was forgotten
            numbers.places.free(uid)
            dropped[#dropped + 1] = uid
        end
        verdicts[#verdicts + 1] = '0'
    end
end
if #dropped > 0 then
    call('SREM', held, unpack(dropped))
end

-- Calls whose time has come, and those whose time is over; a bounded number each turn.
do
    local due = call('ZRANGEBYSCORE', LATER, 0, NOW, 'LIMIT', 0, 256)
    local backs = {}
    for _, uid in ipairs(due) do
        local s = state(uid)
        if not s then
            bury_call(uid, redis.pcall('GET', CALL .. uid))
        elseif s[PHASE] == WAITING and s[WORKER] == 0 then
            local list = s[FLAGS] % HAS_WHY >= TO_FRONT and fronts or backs
            list[s[LANE]] = list[s[LANE]] or {}
            table.insert(list[s[LANE]], uid)
            s[PHASE], s[DUE], s[REASON] = QUEUED, 0, 0
            keep(uid, s)
        end
    end
    if #due > 0 then
        call('ZREM', LATER, unpack(due))
    end
    for lane, uids in pairs(backs) do
        push('RPUSH', lane, uids)
    end
end
for _, uid in ipairs(call('ZRANGEBYSCORE', DEADLINES, 0, NOW, 'LIMIT', 0, 64)) do
    local s = state(uid)
    if s and s[PHASE] < DIALING and s[WORKER] ~= 0 then
        call('ZADD', DEADLINES, NOW + 5000, uid) -- its holder ends it, or gives it back
    else
        call('ZREM', DEADLINES, uid)
        if s and s[PHASE] < DIALING then
            end_undialed(uid, s, DEADLINE)
        end
    end
end
settle()

-- Claims. Ended calls that still stand in a lane are stepped over; the reply's size is bounded.
local claims, bytes = {}, 0
for i = 1, asked do
    local lane, want = tonumber(ARGV[6 + 2 * i]), tonumber(ARGV[7 + 2 * i])
    local queue, def, got, n = QUEUE .. lane, lane_def(lane), { 0 }, 0
    local pops = 0
    while def and def[6] == 1 and n < want and bytes < 1000000 and pops < 32 do
        local uids = redis.pcall('LPOP', queue, math.min(want - n, 64))
        pops = pops + 1
        if uids and uids.err then
            bury(queue, uids.err)
            uids = false
        end
        if not uids then
            break
        end
        for _, uid in ipairs(uids) do
            local record = redis.pcall('GET', CALL .. uid)
            local s = state_of(record)
            if s and s[WORKER] == 0 and s[PHASE] == QUEUED then
                unwait(uid, s)
                s[WORKER], s[FENCE] = worker, s[FENCE] + 1
                if s[FLAGS] % HAS_WHY >= TO_FRONT then
                    s[FLAGS] = s[FLAGS] - TO_FRONT
                end
                keep(uid, s)
                n = n + 1
                bytes = bytes + #record
                got[2 * n], got[2 * n + 1] = uid, record
                now_held[#now_held + 1] = uid
            elseif not s then
                bury_call(uid, record, lane)
            end
        end
    end
    local left = def and redis.pcall('LLEN', queue)
    got[1] = type(left) == 'number' and left or 0
    if n > 0 then
        count(lane, 'waiting', -n)
        count(lane, 'active', n)
    end
    claims[i] = got
end
if #now_held > 0 then
    call('SADD', held, unpack(now_held))
end
settle()

local stops = {}
if call('EXISTS', STOPS .. worker) == 1 then
    call('ZREMRANGEBYSCORE', STOPS .. worker, '-inf', seen)
    stops = call('ZRANGEBYSCORE', STOPS .. worker, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 200)
end
table.insert(buried, 1, NOW - lease)
return { tonumber(call('GET', REV) or '0'), table.concat(verdicts), claims, stops, ended,
    outbox_due(), buried,
    ARGV[7] == '1' and { numbers.places.told(numbers.places.use), numbers.places.told(numbers.places.trunks) } or {} }
