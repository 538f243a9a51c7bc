-- Comes second in every script: what is to be told about a call, written in the script that changes
-- the call. One row per event and destination; a row holds the call's state as it was then and how
-- much of the record there was, so that whoever delivers it makes the same body of it at any time
-- (proto/wire/wire_hook.h has the row's layout).
--
--   wid            counter of rows; w:<number> a row
--   ws:<chain>     numbers of the rows that one destination is still to hear of one call, in order,
--                  a blank after each; a chain is <call uid><kind of destination><endpoint uid or ''>
--   wq             sorted set of chains by the wall ms at which something is to be done; a claimed
--                  one stands at the end of its claim and half a millisecond, which no other turn
--                  gives out: that is the claim's name
--   wz, wb         the last end of a claim given out; sorted set of them, as <worker>:<end>
--   wn:<call>      how many events of the call were told, while it lives
--   wx, wo         sorted set of dead rows; list of delivered ones, both bounded
--   we, we:<uid>   sorted set of endpoints by age; the endpoint
--   wem            the enabled ones, packed: what tell() must know of them
--   wp:<agent>, wpd:<agent>   its documents of the past: by the last row that was written while it
--                  was the agent's, those numbers as a sorted set, and the documents as a hash
--   wps, wpn       all of them, <agent><number> by number; rows up to which none needs one any more
--
-- What was so at the event is what is told, the agent's document and an endpoint's URL included. Rows
-- are numbered, so a document that gives way to another need only be kept under the number of the
-- last row that can be made of it: writing a row costs nothing for it.
local ROWS, ROW, CHAIN, DUES = P .. 'wid', P .. 'w:', P .. 'ws:', P .. 'wq'
local LAST_CLAIM, CLAIMS, TOLD = P .. 'wz', P .. 'wb', P .. 'wn:'
local DEAD, DONE = P .. 'wx', P .. 'wo'
local POINTS, POINT, POINTS_ON = P .. 'we', P .. 'we:', P .. 'wem'
local DEAD_MAX, DONE_MAX = 100000, 10000

local ROW_HEAD = '>BBBBHHHHI4I6I6I6c16c16I4B'
local ROW_PENDING, ROW_DELIVERED, ROW_DEAD = 0, 1, 2
local NATIVE, CALLINGBOX, DASHA, POINT_CALLINGBOX, POINT_NATIVE = 1, 2, 3, 4, 5
local NO_POINT = NO_CAMPAIGN
local T_QUEUED, T_RINGING, T_ANSWERED, T_COMPLETED = 1, 2, 3, 4
local T_NO_ANSWER, T_BUSY, T_CANCELED, T_TRANSFER = 6, 7, 8, 9
T_FAILED = 5
-- enum od_cause to the terminal event; what is not here has failed
T_END = { T_COMPLETED, T_NO_ANSWER, T_BUSY, T_NO_ANSWER, T_BUSY, [12] = T_CANCELED,
    [13] = T_CANCELED }

-- Who wants to hear at all, read once a script.
local points, hooks_seen = nil, {}

local function points_on()
    if not points then
        points = {}
        local text = call('GET', POINTS_ON) or ''
        for at = 1, #text, 19 do
            local uid, kind, mask = unpack_('>c16BH', text, at)
            points[#points + 1] = { uid, kind, mask }
        end
    end
    return points
end

-- { the campaign's webhook is set, the agent's set (1 webhook_url, 2 resultWebhook) }
local function lane_hooks(lane)
    local hooks = hooks_seen[lane]
    if not hooks then
        local def = lane_def(lane)
        hooks = { false, 0 }
        if def then
            local url = def[2] ~= NO_CAMPAIGN and call('HGET', CAMPAIGN .. def[2], 'hook')
            hooks[1] = url and url ~= ''
            hooks[2] = tonumber(call('HGET', AGENT .. def[1], 'hooks') or '0')
        end
        hooks_seen[lane] = hooks
    end
    return hooks
end

local function is_claimed(due)
    return due and tonumber(due) % 1 > 0
end

local function row_add(uid, s, kind, to, point, seq, ms, record_bytes)
    local number = call('INCR', ROWS)
    local chain = uid .. string.char(to) .. (point == NO_POINT and '' or point)
    local head = pack(STATE, unpack(s, 1, STATE_FIELDS))
    call('SET', ROW .. number, pack(ROW_HEAD, VERSION, ROW_PENDING, kind, to, 0, 0, 0, 0, seq, ms,
        NOW, NOW, uid, point, record_bytes, #head) .. head)
    call('APPEND', CHAIN .. chain, number .. ' ')
    if not is_claimed(call('ZSCORE', DUES, chain)) then -- whoever has claimed it finds the row itself
        call('ZADD', DUES, NOW, chain)
    end
end

-- An event of the call, to everyone who is to hear of it. record_bytes: how much of the record
-- there was; 0: all of it, nothing more comes.
tell = function(uid, s, kind, ms, record_bytes)
    local hooks, flags, all = lane_hooks(s[LANE]), s[FLAGS], points_on()
    local ends, hands_on = kind >= T_COMPLETED and kind <= T_CANCELED, kind == T_TRANSFER
    local to = {}
    if hands_on then -- the vendor's one payload about a call that goes on
        if hooks[2] >= 2 then
            to[1] = { DASHA, NO_POINT }
        end
    elseif flags % 16 >= HAS_HOOK then
        to[1] = { flags % STOPPED >= HOOK_CALLINGBOX and CALLINGBOX or NATIVE, NO_POINT }
    elseif hooks[1] then
        to[1] = { NATIVE, NO_POINT }
    elseif hooks[2] % 2 == 1 then
        to[1] = { CALLINGBOX, NO_POINT }
    end
    if ends then
        local done = kind == T_COMPLETED or s[CAUSE] == MACHINE
        if hooks[2] >= 2 or (done and flags % 32 >= HAS_DONE_HOOK)
            or (not done and flags % 64 >= HAS_FAIL_HOOK) then
            to[#to + 1] = { DASHA, NO_POINT }
        end
    end
    for _, point in ipairs(all) do -- nobody's mask has the bit of a transfer
        if math.floor(point[3] / 2 ^ kind) % 2 == 1 then
            to[#to + 1] = { point[2], point[1] }
        end
    end
    if #to == 0 then
        return
    end
    local seq = call('INCR', TOLD .. uid)
    if ends then
        call('DEL', TOLD .. uid)
    end
    for _, where in ipairs(to) do
        row_add(uid, s, kind, where[1], where[2], seq, ms, record_bytes)
    end
end

-- The endpoints changed.
local function points_renew()
    local text = ''
    for _, uid in ipairs(call('ZRANGE', POINTS, 0, -1)) do
        local p = call('HMGET', POINT .. uid, 'on', 'kind', 'mask')
        if p[1] == '1' then
            text = text .. pack('>c16BH', uid, tonumber(p[2]), tonumber(p[3]))
        end
    end
    call('SET', POINTS_ON, text)
    points = nil
end

-- How long until the outbox has something to do: a chain is due, or a claim runs out. -1: never.
local function outbox_due()
    local due = call('ZRANGE', DUES, 0, 0, 'WITHSCORES')[2]
    return due and math.max(0, math.ceil(due - NOW)) or -1
end

-- A dead worker's chains are free at once.
local function outbox_release(worker)
    local head = worker .. ':'
    for _, claim in ipairs(call('ZRANGE', CLAIMS, 0, -1)) do
        if claim:sub(1, #head) == head then
            local at = claim:sub(#head + 1)
            for _, chain in ipairs(call('ZRANGEBYSCORE', DUES, at, at)) do
                call('ZADD', DUES, NOW, chain)
            end
            call('ZREM', CLAIMS, claim)
        end
    end
end

-- Delivered rows are kept for a while.
local function rows_done(delivered)
    if #delivered == 0 then
        return
    end
    local over = call('RPUSH', DONE, unpack(delivered)) - DONE_MAX
    if over > 0 then
        local old = call('LPOP', DONE, over)
        for i, number in ipairs(old) do
            old[i] = ROW .. number
        end
        call('DEL', unpack(old))
    end
end

-- Documents of the past (a table, because a script may have 200 locals at a time).
local past = { at = P .. 'wp:', docs = P .. 'wpd:', all = P .. 'wps', swept = P .. 'wpn', piece = 512,
    pieces = 16 }

-- Before the agent's document gives way to another, or to none.
function past.keep(agent)
    local last, doc = call('GET', ROWS), call('HGET', AGENT .. agent, 'doc')
    if last and doc and call('ZADD', past.at .. agent, 'NX', last, last) == 1 then -- else no row is of it
        call('HSET', past.docs .. agent, last, doc)
        call('ZADD', past.all, last, agent .. last)
    end
end

-- A row's request is made when it is first tried. A dead one, or one whose attempt failed, has it.
function past.needed(number)
    local row = call('GETRANGE', ROW .. number, 0, 399)
    if #row < 71 or row:byte(2) == ROW_DEAD then
        return false
    end
    local at = 72 + row:byte(71)
    local method = at + 1 + (row:byte(at) or 0)
    return (row:byte(method) or 0) == 0
end

-- From `at` on: the first number that still needs a document, at most so far; and how many rows there
-- were to be read.
function past.first_needed(at, last)
    local keys = {}
    for number = at, last do
        keys[#keys + 1] = ROW .. number
    end
    local found = call('EXISTS', unpack(keys))
    if found > 0 then
        for number = at, last do
            if past.needed(number) then
                return number, found
            end
        end
    end
    return last + 1, found
end

-- Forgets what no row can be made of any more; a bounded number of rows is looked at.
function past.sweep()
    local oldest = call('ZRANGE', past.all, 0, 0, 'WITHSCORES')
    if #oldest == 0 then
        return
    end
    local at, read, found = tonumber(call('GET', past.swept) or '1'), 0, 0
    for _ = 1, past.pieces do
        local last = tonumber(oldest[2])
        if at <= last then
            local to = math.min(at + past.piece - 1, last)
            at, found = past.first_needed(at, to)
            read = read + found
            if at <= to or read > past.piece then
                break
            end
        end
        if at > last then
            local agent, number = oldest[1]:sub(1, 16), oldest[1]:sub(17)
            call('ZREM', past.all, oldest[1])
            call('ZREM', past.at .. agent, number)
            call('HDEL', past.docs .. agent, number)
            oldest = call('ZRANGE', past.all, 0, 0, 'WITHSCORES')
            if #oldest == 0 then
                break
            end
        end
    end
    call('SET', past.swept, at)
end

local function row_dead(number)
    call('ZADD', DEAD, number, number)
    for _ = DEAD_MAX + 1, call('ZCARD', DEAD) do
        call('DEL', ROW .. call('ZPOPMIN', DEAD)[1])
    end
end
