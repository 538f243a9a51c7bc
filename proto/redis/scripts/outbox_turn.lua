-- One turn of one worker at an org's outbox: what became of the chains it had, and new ones. At
-- least once: a chain whose worker is silent until the claim ends is handed to another, and what the
-- first says of it afterwards changes nothing.
--
-- ARGV: chains wanted, ms a claim lasts, worker, acks, ack*; ack: chain, claim's name, wall ms at which it
-- is due again, rows, (number, what, row)*; what: 'p' pending, 'd' delivered, 'x' dead, 's' dead and
-- the endpoint not to blame, 'g' dead and the endpoint wants no more
-- reply: { 0, ms until more is to do or -1, claim's name, { (call's record, lane, campaign's
--          webhook)* }, { (endpoint's uid, { field, value }*)* },
--          { { chain, which of the records or 0, (number, row)* }* },
--          { { agent, when it last changed or 0, (last row made of it, document of the past)* }* } }
local want, lasts, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local acks, at = tonumber(ARGV[4]), 5
local ENDPOINT_FAILS_MAX, ROWS_MAX, BYTES_MAX = 10, 16, 1000000
local ARGS_MAX = 4000 -- of one command: Lua's stack holds 8000
local PIECE = 32 -- chains looked at together: BYTES_MAX is seen after each

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

-- What is left of a chain without the rows that were told, and their count.
local function without(chain, told)
    local left = {}
    for number in chain:gmatch('%d+') do
        if not told[number] then
            left[#left + 1] = number .. ' '
        end
    end
    return table.concat(left), #left
end

local function end_row(chain, number, what, row)
    if what ~= 'd' then
        row_dead(number)
    end
    note_on_call(what, row)
    if #chain == 33 and what ~= 's' then
        endpoint_result(chain:sub(18), what)
    end
end

-- What is alike for many chains is one command for all of them, here and where they are claimed.
local acked = { rows = {}, delivered = {}, over = {}, over_keys = {}, left = {}, dues = {} }

-- The rows of one ack: those that are told, and how many are pending.
local function ack_rows(chain, first, last)
    local told, pending = {}, 0
    for i = first, last, 3 do
        local number, what, row = ARGV[i], ARGV[i + 1], ARGV[i + 2]
        acked.rows[#acked.rows + 1] = ROW .. number
        acked.rows[#acked.rows + 1] = row
        if what == 'p' then
            pending = pending + 1
        else
            told[number] = true
            end_row(chain, number, what, row)
            if what == 'd' then
                acked.delivered[#acked.delivered + 1] = number
            end
        end
    end
    return told, pending
end

local function ack_chain(chain, list, due, told, pending)
    local left, count = without(list, told)
    if count == 0 then
        acked.over[#acked.over + 1] = chain
        acked.over_keys[#acked.over_keys + 1] = CHAIN .. chain
        return
    end
    acked.left[#acked.left + 1] = CHAIN .. chain
    acked.left[#acked.left + 1] = left
    acked.dues[#acked.dues + 1] = count > pending and NOW or due -- more has come meanwhile
    acked.dues[#acked.dues + 1] = chain
end

local function keep_acked()
    for i = 1, #acked.rows, ARGS_MAX do
        call('MSET', unpack(acked.rows, i, math.min(i + ARGS_MAX - 1, #acked.rows)))
    end
    rows_done(acked.delivered)
    if #acked.over > 0 then
        call('ZREM', DUES, unpack(acked.over))
        call('DEL', unpack(acked.over_keys))
    end
    if #acked.left > 0 then
        call('MSET', unpack(acked.left))
        call('ZADD', DUES, unpack(acked.dues))
    end
end

local function take_acks()
    local chains, keys, i = {}, {}, at
    if acks == 0 then
        return
    end
    for n = 1, acks do
        chains[n], keys[n] = ARGV[i], CHAIN .. ARGV[i]
        i = i + 4 + 3 * ARGV[i + 3]
    end
    local owners, lists = call('ZMSCORE', DUES, unpack(chains)), call('MGET', unpack(keys))
    for n = 1, acks do
        local last = at + 3 + 3 * ARGV[at + 3]
        if owners[n] == ARGV[at + 1] then -- else another has the chain
            local told, pending = ack_rows(chains[n], at + 4, last)
            ack_chain(chains[n], lists[n] or '', ARGV[at + 2], told, pending)
        end
        at = last + 1
    end
    keep_acked()
end
take_acks()

local claimed = { chains = {}, dues = {}, over = {}, records = {}, place = {}, points = {}, agents = {},
    agent_of = {}, bytes = 0 }

-- The calls of some chains, each once, go into the reply; claimed.place says where.
local function add_records(chains)
    local uids, keys, place = {}, {}, claimed.place
    for _, chain in ipairs(chains) do
        local uid = chain:sub(1, 16)
        if not place[uid] then
            place[uid] = 0
            uids[#uids + 1], keys[#keys + 1] = uid, CALL .. uid
        end
    end
    for i, record in ipairs(#keys > 0 and call('MGET', unpack(keys)) or {}) do
        local s, out = state_of(record), claimed.records
        if s then
            local def = lane_def(s[LANE])
            out[#out + 1] = record
            out[#out + 1] = def and def.text or ''
            out[#out + 1] = def and def[2] ~= NO_CAMPAIGN and call('HGET', CAMPAIGN .. def[2], 'hook')
                or ''
            place[uids[i]] = #out / 3
            claimed.agent_of[uids[i]] = def and def[1]
            claimed.bytes = claimed.bytes + #record
        end
    end
end

local points_added = { [NO_POINT] = true }
local function add_point(row)
    local uid = row:sub(51, 66)
    if not points_added[uid] then
        points_added[uid] = true
        claimed.points[#claimed.points + 1] = uid
        claimed.points[#claimed.points + 1] = call('HGETALL', POINT .. uid)
    end
end

-- The agent of a row, and the document of the past that the row is made of, if it is one.
local agents_added = {}
local function add_agent(number, row)
    local agent, to = claimed.agent_of[row:sub(35, 50)], row:byte(4)
    if not agent or to == NATIVE or to == POINT_NATIVE then -- which say nothing of the agent
        return
    end
    local added = agents_added[agent]
    if not added then
        local last = call('ZREVRANGE', past.at .. agent, 0, 0)[1]
        added = { last = tonumber(last or '0'), has = {},
            reply = { agent, call('HGET', AGENT .. agent, 'updated') or '0' } }
        agents_added[agent] = added
        claimed.agents[#claimed.agents + 1] = added.reply
    end
    local last = tonumber(number) <= added.last
        and call('ZRANGEBYSCORE', past.at .. agent, number, '+inf', 'LIMIT', 0, 1)[1]
    if last and not added.has[last] then
        local doc, reply = call('HGET', past.docs .. agent, last) or '', added.reply
        added.has[last] = true
        reply[#reply + 1] = last
        reply[#reply + 1] = doc
        claimed.bytes = claimed.bytes + #doc
    end
end

-- The first numbers of each chain, and the rows by number.
local function read_rows(chains)
    local keys, lists, numbers, rows = {}, {}, {}, {}
    for i, chain in ipairs(chains) do
        keys[i] = CHAIN .. chain
    end
    local texts = call('MGET', unpack(keys))
    keys = {}
    for i = 1, #chains do
        lists[i] = {}
        for number in (texts[i] or ''):gmatch('%d+') do
            if #lists[i] == ROWS_MAX then
                break
            end
            lists[i][#lists[i] + 1] = number
            numbers[#numbers + 1], keys[#keys + 1] = number, ROW .. number
        end
    end
    for i, row in ipairs(#keys > 0 and call('MGET', unpack(keys)) or {}) do
        rows[numbers[i]] = row
    end
    return lists, rows
end

-- Rows of a chain that are trimmed away. False: nothing is left of it.
local function forget_rows(chain, lost)
    local left, count = without(call('GET', CHAIN .. chain), lost)
    if count == 0 then
        call('DEL', CHAIN .. chain)
        return false
    end
    call('SET', CHAIN .. chain, left)
    return true
end

local function claim_chain(chain, numbers, rows, until_ms)
    local one, lost = { chain, claimed.place[chain:sub(1, 16)] }, {}
    for _, number in ipairs(numbers) do
        local row = rows[number]
        if row then
            one[#one + 1] = number
            one[#one + 1] = row
            claimed.bytes = claimed.bytes + #row
            add_agent(number, row)
        else
            lost[number] = true
        end
    end
    local any = #numbers > 0
    if next(lost) then
        any = forget_rows(chain, lost)
    end
    if #one > 2 then
        add_point(one[4])
        claimed.chains[#claimed.chains + 1] = one
        claimed.dues[#claimed.dues + 1] = until_ms
        claimed.dues[#claimed.dues + 1] = chain
    elseif not any then -- else its turn comes with the next
        claimed.over[#claimed.over + 1] = chain
    end
end

-- No other turn gives out the same time.
local function claim_end()
    local ms = math.max(NOW + lasts, tonumber(call('GET', LAST_CLAIM) or '0') + 1)
    call('SET', LAST_CLAIM, ms)
    call('ZREMRANGEBYSCORE', CLAIMS, '-inf', NOW)
    return string.format('%d.5', ms)
end

local function claim()
    local chains = want > 0 and call('ZRANGEBYSCORE', DUES, '-inf', NOW, 'LIMIT', 0, want) or {}
    if #chains == 0 then
        return ''
    end
    local until_ms = claim_end()
    for first = 1, #chains, PIECE do
        local piece = { unpack(chains, first, math.min(first + PIECE - 1, #chains)) }
        local lists, rows = read_rows(piece)
        add_records(piece)
        for i, chain in ipairs(piece) do
            claim_chain(chain, lists[i], rows, until_ms)
        end
        if claimed.bytes > BYTES_MAX then
            break
        end
    end
    if #claimed.over > 0 then
        call('ZREM', DUES, unpack(claimed.over))
    end
    if #claimed.chains > 0 then
        call('ZADD', DUES, unpack(claimed.dues))
        call('ZADD', CLAIMS, until_ms, worker .. ':' .. until_ms)
    end
    return until_ms
end

local name = claim()
return { 0, outbox_due(), name, claimed.records, claimed.points, claimed.chains, claimed.agents }
