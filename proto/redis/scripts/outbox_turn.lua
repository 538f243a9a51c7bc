-- One turn of one worker at an org's outbox: what became of the chains it had, and new ones. At
-- least once: a chain whose worker is silent until the claim ends is handed to another, and what the
-- first says of it afterwards changes nothing.
--
-- ARGV: chains wanted, ms a claim lasts, worker, acks, ack*; ack: chain, claim's number, wall ms at which it
-- is due again, rows, (number, what, row)*; what: 'p' pending, 'd' delivered, 'x' dead, 's' dead and
-- the endpoint not to blame, 'g' dead and the endpoint wants no more
-- reply: { 0, ms until more is to do or -1, { (chain, claim's number, record or nil, lane,
--          campaign's webhook, { number, row }*, endpoint or {})* } }
local want, lasts, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local acks, at = tonumber(ARGV[4]), 5
local ENDPOINT_FAILS_MAX, ROWS_MAX, BYTES_MAX = 10, 16, 1000000

local sound = {} -- endpoints without a failure, or gone
local function endpoint_result(uid, what)
    if what == 'd' and sound[uid] then
        return
    end
    local key = POINT .. uid
    local before = call('HGET', key, 'fails')
    sound[uid] = not before or what == 'd'
    if not before then
        return
    end
    if what == 'd' then
        if before ~= '0' then
            call('HSET', key, 'fails', 0)
        end
        return
    end
    local fails = call('HINCRBY', key, 'fails', 1)
    if (what == 'g' or fails >= ENDPOINT_FAILS_MAX) and call('HGET', key, 'on') == '1' then
        call('HSET', key, 'on', 0, 'why', what == 'g' and 'gone' or 'too_many_failures',
            'updated', NOW)
        points_renew()
    end
end

-- The call's own record keeps what became of its inline webhook's terminal event (an entry 'W').
local function note_on_call(what, row)
    local kind, to, uid = row:byte(3), row:byte(4), row:sub(35, 50)
    if kind < T_COMPLETED or kind > T_CANCELED or (to ~= NATIVE and to ~= CALLINGBOX) or not state(uid) then
        return
    end
    local at = 72 + row:byte(71)
    local why = what == 'd' and '' or row:sub(at + 1, at + row:byte(at))
    local body = string.char(VERSION) .. cmsgpack.pack({ what == 'd' and 1 or 2, why })
    call('APPEND', CALL .. uid, 'W' .. pack('>I4', #body) .. body)
end

-- What is alike for many chains is one command for all of them: an ack costs five of its own, a claim
-- three.
local function take_acks()
    local chains, owners, i = {}, {}, at
    for n = 1, acks do
        chains[n] = ARGV[i]
        i = i + 4 + 3 * tonumber(ARGV[i + 3])
    end
    if acks > 0 then
        owners = call('HMGET', TOKENS, unpack(chains))
    end
    local freed, again, delivered = {}, {}, {}
    for n = 1, acks do
        local chain, due, rows = chains[n], ARGV[at + 2], tonumber(ARGV[at + 3])
        local ours, left = owners[n] == ARGV[at + 1], 0
        at = at + 4
        for _ = 1, rows do
            local number, what, row = ARGV[at], ARGV[at + 1], ARGV[at + 2]
            at = at + 3
            if not ours then
                -- another has the chain
            else
                call('SET', ROW .. number, row)
                if what == 'p' then
                    left = left + 1
                else
                    if what == 'd' then
                        delivered[#delivered + 1] = number
                    else
                        row_dead(number)
                    end
                    call('LREM', CHAIN .. chain, 1, number)
                    note_on_call(what, row)
                    if #chain == 33 and what ~= 's' then
                        endpoint_result(chain:sub(18), what)
                    end
                end
            end
        end
        if ours then
            freed[#freed + 1] = chain
            local length = call('LLEN', CHAIN .. chain)
            if length > 0 then -- more than is left: more has come meanwhile
                again[#again + 1] = length > left and NOW or due
                again[#again + 1] = chain
            end
        end
    end
    rows_done(delivered)
    if #freed > 0 then
        call('ZREM', LEASES, unpack(freed))
        call('HDEL', TOKENS, unpack(freed))
    end
    if #again > 0 then
        call('ZADD', DUES, unpack(again))
    end
end
take_acks()

for _, chain in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', NOW, 'LIMIT', 0, 256)) do
    call('ZREM', LEASES, chain)
    call('HDEL', TOKENS, chain)
    call('ZADD', DUES, NOW, chain)
end

local out, bytes, endpoints = {}, 0, {}
local chains = want > 0 and call('ZRANGEBYSCORE', DUES, '-inf', NOW, 'LIMIT', 0, want) or {}
local looked, leases, tokens = {}, {}, {}
local claims = #chains > 0 and call('INCRBY', CLAIMS, #chains) - #chains
for i, chain in ipairs(chains) do
    if bytes > BYTES_MAX then
        break
    end
    local numbers = call('LRANGE', CHAIN .. chain, 0, ROWS_MAX - 1)
    looked[#looked + 1] = chain
    if #numbers > 0 then
        local token = worker .. ':' .. claims + i
        local uid, rows = chain:sub(1, 16), {}
        leases[#leases + 1] = NOW + lasts
        leases[#leases + 1] = chain
        tokens[#tokens + 1] = chain
        tokens[#tokens + 1] = token
        for _, number in ipairs(numbers) do
            local row = call('GET', ROW .. number)
            if row then
                rows[#rows + 1] = tonumber(number)
                rows[#rows + 1] = row
                bytes = bytes + #row
            else -- trimmed away
                call('LREM', CHAIN .. chain, 1, number)
            end
        end
        local record = redis.pcall('GET', CALL .. uid)
        local s = state_of(record)
        local def = s and lane_def(s[LANE])
        local point = rows[2] and rows[2]:sub(51, 66) or NO_POINT
        if point ~= NO_POINT and not endpoints[point] then
            endpoints[point] = call('HGETALL', POINT .. point)
        end
        out[#out + 1] = chain
        out[#out + 1] = token
        out[#out + 1] = s and record or false
        out[#out + 1] = def and def.text or ''
        out[#out + 1] = def and def[2] ~= NO_CAMPAIGN and call('HGET', CAMPAIGN .. def[2], 'hook')
            or ''
        out[#out + 1] = rows
        out[#out + 1] = endpoints[point] or {}
        bytes = bytes + (s and #record or 0)
    end
end
if #looked > 0 then
    call('ZREM', DUES, unpack(looked))
end
if #leases > 0 then
    call('ZADD', LEASES, unpack(leases))
    call('HSET', TOKENS, unpack(tokens))
end
return { 0, outbox_due(), out }
