-- Comes first in every script: the names of the keys, the layout of a call's record, and the one
-- way in which calls wait, are held and end. Scripts decide everything that must be decided once;
-- their replies are plain arrays that begin with 0 or a negative error number (outdial/err.h).

local P = KEYS[1] -- "od:{org}:", which also names the cluster slot
local call, pack, unpack_ = redis.call, struct.pack, struct.unpack

local REV = P .. 'rev' -- counts changes of agents and lanes
local CHANGED_AGENTS, CHANGED_LANES, CHANGED_THINGS = P .. 'cha', P .. 'chl', P .. 'cht' -- member by rev of its last change
local CALL, QUEUE, HELD, STOPS = P .. 'c:', P .. 'q:', P .. 'held:', P .. 'stops:'
local LATER, DEADLINES, WHY = P .. 'later', P .. 'deadlines', P .. 'why'
local LANES, LANE_OF = P .. 'lanes', P .. 'laneof'
local WORKERS, WORKER_IDS = P .. 'serving', P .. 'sids' -- hello.lua says why these names
local AGENTS, AGENT, AGENT_NAMES = P .. 'agents', P .. 'ag:', P .. 'agn'
local THINGS, THING, THING_KEYS = P .. 'ths:', P .. 'th:', P .. 'thk:'
local CAMPAIGNS, CAMPAIGN, CONTACTS, NUMBERS = P .. 'cps', P .. 'cp:', P .. 'cl:', P .. 'nums:'
local SWEEPS, EVENTS, SEQ = P .. 'sweeps', P .. 'ev', P .. 'seq'
local DEAD = P .. 'dead' -- what could not be read: when ('+': its campaign counts it as ended) and why
local LEGS = P .. 'legs:' -- by worker: calls whose leg it is to end at the carrier, by their end's time
local ONCE = P .. 'once:'

local EINVAL, ENOENT, EEXIST, ECONFLICT = -1, -3, -4, -5

-- The state at the head of a call's record (proto/wire/wire.h, struct od_wire_state).
local STATE, STATE_BYTES, VERSION = '>BBBBHHI4I4I4I4I6I6I6I6I6', 54, 1
local STATE_FIELDS = 15
local PHASE, CAUSE, FLAGS, TRIES, SIP, FENCE, WORKER, LANE = 2, 3, 4, 5, 6, 7, 8, 9
-- TRIES holds two counts: finished attempts on the person * ATTEMPT + intents written.
local ATTEMPT = 4096
local DUE, DIALED, RANG, ANSWERED, OVER = 11, 12, 13, 14, 15
local WAITING, QUEUED, DIALING, RINGING, TALKING, ENDED = 1, 2, 4, 5, 6, 7 -- enum od_call_phase
local COMPLETED, MACHINE, REFUSED, CANCELED, DEADLINE, UNKNOWN = 1, 2, 11, 12, 13, 14 -- enum od_cause
local HAS_DEADLINE, TO_FRONT, HAS_WHY, HAS_HOOK, STOPPED = 1, 2, 4, 8, 128
local HAS_DONE_HOOK, HAS_FAIL_HOOK, HOOK_CALLINGBOX = 16, 32, 64
-- Why a call waits stands in the place of its end (proto/wire/wire.h); other words stand in WHY.
local REASON = OVER
local REASONS = { hours = 1, retry = 2, cap = 3, not_before = 4, paused = 5, schedule = 6,
    draining = 7, route = 8, rate = 9, queue = 10, store = 11, busy = 12, full = 13, slot = 14,
    breaker = 15 }

local NO_CAMPAIGN = string.rep('\0', 16)

local function now_ms()
    local t = call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end
local NOW = now_ms()

-- A record that is missing or is none of ours (another version, another type) gives nil: what one
-- broken value could do must not stop a whole turn.
local function state_of(record)
    if type(record) ~= 'string' or #record < STATE_BYTES or record:byte(1) ~= VERSION then
        return nil
    end
    return { unpack_(STATE, record) }
end

local function state(uid)
    return state_of(redis.pcall('GETRANGE', CALL .. uid, 0, STATE_BYTES - 1))
end

-- Dialled numbers: which nobody may dial, and when each was dialled, where somebody wants to know.
-- (A table, because a script may have 200 locals at a time.)
local numbers = { suppressed = P .. 'sup', reasons = P .. 'supfor', log = P .. 'n:',
    kept_ms = 31 * 24 * 3600 * 1000 } -- the longest wait for a retry is 30 days

-- The number a call is for, from the job in its record: the first text of a msgpack array.
function numbers.of(uid)
    local job = call('GETRANGE', CALL .. uid, STATE_BYTES, STATE_BYTES + 131)
    local head = job:byte(3) or 0
    if head == 0xd9 then
        return job:sub(5, 4 + job:byte(4))
    end
    return job:sub(4, 3 + head % 32)
end

-- The log of a number (times of 6 bytes, oldest first) without what is too old to matter, and when
-- the caps let it be dialled.
function numbers.dialled(to, caps, ms)
    local log, kept, free = call('GET', numbers.log .. to) or '', 1, 0
    while kept <= #log and unpack_('>I6', log, kept) + numbers.kept_ms < ms do
        kept = kept + 6
    end
    log = log:sub(kept)
    for i = 1, #caps, 10 do
        local most, window = unpack_('>I4I6', caps, i)
        local at = #log - 6 * most + 1
        if at > 0 then
            free = math.max(free, unpack_('>I6', log, at) + window)
        end
    end
    return log, free
end

-- An attempt is noted with its intent, and taken out again when it turns out to be none on the
-- person.
function numbers.forget(uid, s)
    local key = numbers.log .. numbers.of(uid)
    local log, at = call('GET', key) or '', pack('>I6', s[DIALED])
    for i = 1, #log, 6 do
        if log:sub(i, i + 5) == at then
            call('SET', key, log:sub(1, i - 1) .. log:sub(i + 6), 'KEEPTTL')
            return
        end
    end
end

-- Attempts on the number since the call was made, by whichever call: one cap counts them all.
function numbers.tries_since(uid)
    local log, n, made = call('GET', numbers.log .. numbers.of(uid)) or '', 0, unpack_('>I6', uid)
    for i = 1, #log, 6 do
        n = n + (unpack_('>I6', log, i) >= made and 1 or 0)
    end
    return n
end

-- Calls at once: by call, what it counts in ('-' before the name: nobody capped that then); by name,
-- how many there are. Those without a cap count for the day when there is one; they are kept apart,
-- because workers are told the others a few times a second: what is in use where there is a cap. A
-- trunk's calls are counted over all orgs. (Those keys are outside of the org's slot of a cluster.) A
-- call that finds a place full comes back after wait_ms: workers know what is in use, so few do.
numbers.places = { up = P .. 'up', use = P .. 'use', trunks = 'od:{shared}:use', rest = 'rest',
    none = 0xffffffff, wait_ms = 1000, why = { t = 'trunk slot', a = 'agent slot', c = 'campaign slot', o = 'org slot', n = 'number slot' } }

-- Where a name of `up` is counted, and as what.
function numbers.places.of(mark)
    local name, rest = mark, ''
    if mark:sub(1, 1) == '-' then
        name, rest = mark:sub(2), numbers.places.rest
    end
    return (name:sub(1, 2) == 't:' and numbers.places.trunks or numbers.places.use) .. rest, name
end

function numbers.places.count(name)
    local use = numbers.places.of(name)
    return (call('HGET', use, name) or 0) + (call('HGET', use .. numbers.places.rest, name) or 0)
end

-- What is in use where there is a cap: { name, calls, ... }.
function numbers.places.told(use)
    local list, rest = call('HGETALL', use), use .. numbers.places.rest
    if call('EXISTS', rest) == 0 then
        rest = nil
    end
    for i = 1, #list, 2 do
        list[i + 1] = list[i + 1] + (rest and call('HGET', rest, list[i]) or 0)
        if list[i + 1] <= 0 then -- a cap was asked about and nobody is up
            call('HDEL', use, list[i])
        end
    end
    return list
end

-- Whatever way a call ends or goes back, its places are free again.
function numbers.places.free(uid)
    local names = call('HGET', numbers.places.up, uid)
    if not names then
        return
    end
    call('HDEL', numbers.places.up, uid)
    for mark in names:gmatch('[^\n]+') do
        local use, name = numbers.places.of(mark)
        if call('HINCRBY', use, name, -1) <= 0 then
            call('HDEL', use, name)
        end
    end
end

-- (most, name)* as an order has them, and where it goes on.
function numbers.places.read(op, at)
    local wanted, n = {}, op:byte(at)
    at = at + 1
    for i = 1, n do
        local bytes
        wanted[2 * i - 1], bytes, at = unpack_('>I4B', op, at)
        wanted[2 * i] = op:sub(at, at + bytes - 1)
        at = at + bytes
    end
    return wanted, at
end

-- The call counts in these places, whether they are full or not; once.
function numbers.places.hold(uid, wanted)
    local names = {}
    if #wanted == 0 or call('HEXISTS', numbers.places.up, uid) == 1 then
        return
    end
    for i = 1, #wanted, 2 do
        local mark = (wanted[i] == numbers.places.none and '-' or '') .. wanted[i + 1]
        local use, name = numbers.places.of(mark)
        names[#names + 1] = mark
        call('HINCRBY', use, name, 1)
    end
    call('HSET', numbers.places.up, uid, table.concat(names, '\n'))
end

-- Takes them for the call, or nothing: then the name of one that is full.
function numbers.places.take(uid, wanted)
    for i = 1, #wanted, 2 do
        local name = wanted[i + 1]
        if wanted[i] ~= numbers.places.none and numbers.places.count(name) >= wanted[i] then
            call('HSETNX', numbers.places.of(name), name, 0) -- workers are told of it
            return name
        end
    end
    numbers.places.hold(uid, wanted)
end

local function keep(uid, s)
    call('SETRANGE', CALL .. uid, 0, pack(STATE, unpack(s, 1, STATE_FIELDS)))
end

-- Sums go to Redis once per script, in settle().
local sums, lanes_seen, fronts = {}, {}, {}

-- { agent, campaign, priority, cps_milli, max_calls, open }; open: 0 closed, 1 open, 2 canceled.
-- Behind it stands, in a lane whose calls have a way out of their own, which (16 bytes).
local LANE_DEF = '>c16c16i4I4I4B'
local function lane_def(lane)
    local def = lanes_seen[lane]
    if def == nil then
        local text = call('HGET', LANES, lane)
        def = text and (#text == 45 or #text == 61) and { unpack_(LANE_DEF, text) } or false
        if def then
            def.text = text
        end
        lanes_seen[lane] = def
    end
    return def
end

-- Calls that workers hold, by agent: one that drains has drained when there are none.
numbers.held, numbers.held_by = P .. 'aga', {}

local function count(lane, field, by)
    local def = lane_def(lane)
    if def and field == 'active' then
        numbers.held_by[def[1]] = (numbers.held_by[def[1]] or 0) + by
    end
    if def and def[2] ~= NO_CAMPAIGN then
        local of = sums[def[2]]
        if not of then
            of = {}
            sums[def[2]] = of
        end
        of[field] = (of[field] or 0) + by
    end
end

local function changed(key, member)
    call('ZADD', key, call('INCR', REV), member)
end

-- Whoever serves a lane learns that an empty one has work by its change.
local function push(how, lane, uids)
    local depth = call(how, QUEUE .. lane, unpack(uids))
    if depth == #uids then
        changed(CHANGED_LANES, lane)
    end
end

local function settle()
    for lane, uids in pairs(fronts) do
        local back = {}
        for i = #uids, 1, -1 do
            back[#back + 1] = uids[i]
        end
        push('LPUSH', lane, back) -- the first given back is the first in the lane again
    end
    for campaign, fields in pairs(sums) do
        for field, by in pairs(fields) do
            if by ~= 0 then
                call('HINCRBY', CAMPAIGN .. campaign, field, by)
            end
        end
    end
    for agent, by in pairs(numbers.held_by) do
        if by ~= 0 and call('HINCRBY', numbers.held, agent, by) <= 0 then
            call('HDEL', numbers.held, agent)
        end
    end
    fronts, sums, numbers.held_by = {}, {}, {}
end

local tell -- what others are to hear of a call: outbox.lua
local T_END, T_FAILED

-- Events are kept small; their JSON is made when they are read (redis_event.c).
local EV_QUEUED, EV_RINGING, EV_ANSWERED, EV_ENDED, EV_RETRY = 1, 2, 3, 4, 5
local EV = { CREATED = 10, STARTED = 11, PAUSED = 12, RESUMED = 13, CANCELED = 14, IMPORTED = 15, DRAINING = 16 } -- of campaigns
local function emit(kind, uid, cause, sip, ms, more)
    call('XADD', EVENTS, 'MAXLEN', '~', 20000, '*', 'b',
        pack('>BBHI6c16', kind, cause, sip, ms, uid) .. (more or ''))
end

-- What can't be read is set aside with its reason, for a person to look at; nothing else stops.
local DEAD_MAX, buried = 10000, {}
local function bury(what, why, counted)
    if call('HLEN', DEAD) < DEAD_MAX then
        call('HSET', DEAD, what, NOW .. (counted and '+ ' or ' ') .. why)
    end
    buried[#buried + 1] = what
    buried[#buried + 1] = why
end

-- The same of a call's record, which has no state to end it by: if it stood in a lane it has left
-- the campaign's count of those who wait.
local function bury_call(uid, record, lane)
    bury(uid, type(record) == 'table' and record.err or not record and 'there is no record' or
        'the record is of another version or cut short', lane and #uid == 16)
    if lane and #uid == 16 then
        count(lane, 'waiting', -1)
        count(lane, 'ended', 1)
        count(lane, 'e' .. REFUSED, 1)
        emit(EV_ENDED, uid, REFUSED, 0, NOW)
    end
end

-- Moves a call out of whatever it waits in. `s` is written by the caller.
local function unwait(uid, s)
    if s[PHASE] == WAITING then
        call('ZREM', LATER, uid)
    end
    s[REASON] = 0
    if s[FLAGS] % HAS_HOOK >= HAS_WHY then
        call('HDEL', WHY, uid)
        s[FLAGS] = s[FLAGS] - HAS_WHY
    end
end

-- The one way in which a call ends: its counters move, its one terminal event is written.
local function end_call(uid, s, cause, ms)
    unwait(uid, s)
    numbers.places.free(uid)
    if s[FLAGS] % 2 == HAS_DEADLINE then
        call('ZREM', DEADLINES, uid)
        s[FLAGS] = s[FLAGS] - HAS_DEADLINE
    end
    count(s[LANE], s[WORKER] == 0 and 'waiting' or 'active', -1)
    count(s[LANE], 'ended', 1)
    count(s[LANE], 'e' .. cause, 1)
    s[PHASE], s[CAUSE], s[OVER] = ENDED, cause, ms
    emit(EV_ENDED, uid, cause, s[SIP], ms)
    tell(uid, s, T_END[cause] or T_FAILED, ms, 0)
end

-- What the process that runs this script is told about calls it ended without holding them.
local ended = {}
local function tell_ended(uid)
    local record = call('GET', CALL .. uid)
    local def = lane_def(state_of(record)[LANE])
    ended[#ended + 1] = uid
    ended[#ended + 1] = record
    ended[#ended + 1] = def and def.text or ''
    ended[#ended + 1] = def and def[2] ~= NO_CAMPAIGN and
        call('HGET', CAMPAIGN .. def[2], 'hook') or ''
end

-- Ends a call that nobody dials: a waiting one, or one whose holder has written no intent (it
-- learns of it by a stop order, and its intent would be refused).
local function end_undialed(uid, s, cause, reason)
    local holder = s[WORKER]
    if not reason and s[TRIES] >= ATTEMPT then -- else its last attempt's would be read as the end's
        reason = cause == DEADLINE and 'deadline passed' or 'canceled'
    end
    if reason then -- as od_wire_end_put() writes it: the user's verdict, no trunk
        local entry = string.char(VERSION, 0x93, 4, 0xc0, 0xa0 + #reason) .. reason
        call('APPEND', CALL .. uid, 'E' .. pack('>I4', #entry) .. entry)
    end
    end_call(uid, s, cause, NOW)
    if holder ~= 0 then
        call('SREM', HELD .. holder, uid)
        call('ZADD', STOPS .. holder, call('INCR', SEQ), uid .. 'c')
        s[WORKER] = 0
    end
    keep(uid, s)
    tell_ended(uid)
end

-- Lets a call wait in its lane, or until due. Many may wait for the same hours, or breaker: they go behind what
-- is in the lane by then, in their order; one that waits for itself goes before.
local function let_wait(uid, s, due, why)
    local reason = REASONS[why]
    numbers.places.free(uid)
    s[WORKER], s[REASON] = 0, reason or 0
    if s[FLAGS] % HAS_WHY < TO_FRONT then
        s[FLAGS] = s[FLAGS] + TO_FRONT
    end
    if not reason and why ~= '' then
        call('HSET', WHY, uid, why)
        if s[FLAGS] % HAS_HOOK < HAS_WHY then
            s[FLAGS] = s[FLAGS] + HAS_WHY
        end
    end
    if (why == 'hours' or why == 'breaker') and due > 0 then
        s[FLAGS] = s[FLAGS] - TO_FRONT
        due = due > NOW and due or NOW + 1000 -- our clock is ahead: it would be asked for at once
    end
    if due > NOW then
        s[PHASE], s[DUE] = WAITING, due
        call('ZADD', LATER, due, uid)
    else
        s[PHASE], s[DUE] = QUEUED, 0
        local front = fronts[s[LANE]]
        if not front then
            front = {}
            fronts[s[LANE]] = front
        end
        front[#front + 1] = uid
    end
    keep(uid, s)
end

-- Puts a held call back. In a canceled campaign nothing goes back.
local function give_back(uid, s, due, why)
    local def = lane_def(s[LANE])
    if not def or def[6] == 2 then
        end_undialed(uid, s, CANCELED)
        return
    end
    if s[PHASE] == DIALING then
        numbers.forget(uid, s)
    end
    count(s[LANE], 'active', -1)
    count(s[LANE], 'waiting', 1)
    let_wait(uid, s, due, why)
end

-- Legs without an owner: (uid, record)*, for the process that runs this script to end them.
local orphans = {}
local function adopt_leg(uid, worker, over)
    call('ZADD', LEGS .. worker, over, uid)
    orphans[#orphans + 1] = uid
    orphans[#orphans + 1] = call('GET', CALL .. uid)
end

-- When an attempt whose end nobody knows is followed by another: where the campaign's own rule of retry
-- (proto/wire/wire.h) has a time for `unknown`, within its cap and the deadline. 0: never.
local redial = {}
function redial.due(uid, s)
    local def = lane_def(s[LANE])
    if not def or def[2] == NO_CAMPAIGN or def[6] == 2 or s[FLAGS] >= STOPPED then
        return 0
    end
    local rule = call('HGET', CAMPAIGN .. def[2], 'retry') or ''
    if #rule < 5 + 4 * UNKNOWN then
        return 0
    end
    local most, after_s = rule:byte(1), unpack_('>I4', rule, 2 + 4 * UNKNOWN)
    local due = NOW + 1000 * after_s
    -- the number's log is a failover's to forget, the record's own count another one's
    local tries = math.max(numbers.tries_since(uid), math.floor(s[TRIES] / ATTEMPT) + 1)
    if after_s == 0 or tries >= most then
        return 0
    end
    local deadline = s[FLAGS] % 2 == HAS_DEADLINE and (call('ZSCORE', DEADLINES, uid) or 0)
    return deadline and tonumber(deadline) <= due and 0 or due
end

-- The attempt counts as one on the person, who may have talked.
function redial.wait(uid, s, due)
    local reason = 'unknown outcome'
    local entry = string.char(VERSION, 0x93, 0, 0xc0, 0xa0 + #reason) .. reason -- od_wire_end_put()
    emit(EV_RETRY, uid, UNKNOWN, 0, NOW, pack('>I6', due))
    count(s[LANE], 'active', -1)
    count(s[LANE], 'waiting', 1)
    s[TRIES] = s[TRIES] + ATTEMPT
    s[SIP], s[RANG], s[ANSWERED] = 0, 0, 0
    let_wait(uid, s, due, 'retry')
    call('APPEND', CALL .. uid, 'E' .. pack('>I4', #entry) .. entry)
end

-- A dead worker's call, or one whose claim's reply was lost. What may have been dialled ends, or waits
-- for another attempt where that is wanted; its leg is ended by the worker `by`.
local function reclaim(uid, worker, by)
    local s = state(uid)
    if not s then
        numbers.places.free(uid) -- it was forgotten while it was up
        return 0
    elseif s[WORKER] ~= worker or s[PHASE] == ENDED then
        return 0
    end
    if s[PHASE] < DIALING then
        give_back(uid, s, 0, '')
    else
        local due = redial.due(uid, s)
        if due > 0 then
            adopt_leg(uid, by, NOW)
            redial.wait(uid, s, due)
            return 1
        end
        end_call(uid, s, UNKNOWN, NOW)
        s[WORKER] = 0
        keep(uid, s)
        tell_ended(uid)
        adopt_leg(uid, by, NOW)
    end
    return 1
end

-- The lane of (agent, campaign or none, priority, way out or ''), made when there is none.
local function lane_for(agent, campaign, priority, cps, max, open, via)
    local name = pack('>c16c16i4', agent, campaign, priority) .. via
    local lane = call('HGET', LANE_OF, name)
    if not lane then
        lane = call('HINCRBY', LANE_OF, 'n', 1)
        call('HSET', LANE_OF, name, lane)
        call('HSET', LANES, lane, pack(LANE_DEF, agent, campaign, priority, cps, max, open) .. via)
    end
    return tonumber(lane)
end

-- A stored call as the API's reader wants it: uid, record, lane, why it waits.
local function view(out, uid, record)
    local s = state_of(record)
    local def = s and lane_def(s[LANE])
    out[#out + 1] = uid
    out[#out + 1] = record
    out[#out + 1] = def and def.text or ''
    out[#out + 1] = s and s[FLAGS] % HAS_HOOK >= HAS_WHY and call('HGET', WHY, uid) or ''
end
