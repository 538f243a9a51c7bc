-- Stores a batch of calls, all or none. A call that is stored already (the same create, done again
-- after nobody knew whether it was done) changes nothing and counts as added.
--
-- ARGV: agent, campaign or '', priority, the way out of its own or '', row* (proto/wire/wire.h, od_wire_row_put)
-- reply: { 0, index of a number the campaign holds already* } or { error }
local agent, campaign, priority, via = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local list, numbers, lane
if campaign == '' then
    if call('EXISTS', AGENT .. agent) == 0 then
        return { ENOENT }
    end
    list = CONTACTS
    lane = lane_for(agent, NO_CAMPAIGN, priority, 0, 0, 1, via)
else
    local c = call('HMGET', CAMPAIGN .. campaign, 'state', 'lane')
    if not c[2] then
        return { ENOENT }
    elseif c[1] == '3' then
        return { ECONFLICT }
    end
    list, numbers, lane = CONTACTS .. campaign, NUMBERS .. campaign, tonumber(c[2])
end

-- First what may fail or be left out, then the writing. (A column for each field of the rows and not a
-- table for each row: an import is mostly this script.)
local function add() -- of its own: a function may have 200 locals at a time
    local uids, dues, deadlines, hooks, tos, jobs, n = {}, {}, {}, {}, {}, {}, #ARGV - 4
    for i = 1, n do
        local row = ARGV[i + 4]
        local at
        uids[i], dues[i], deadlines[i], hooks[i], tos[i], at = unpack_('>c16I6I6BBc0', row)
        jobs[i] = row:sub(at)
    end
    -- In a campaign whose call is stored its number is, too.
    local known, repeated, twice = numbers and call('SMISMEMBER', numbers, unpack(tos)), false, {}
    if not numbers then
        local keys = {}
        for i = 1, n do
            keys[i] = CALL .. uids[i]
        end
        repeated = call('EXISTS', unpack(keys)) > 0
    end
    local out, records, added, fresh, states, ready, seen, heads = { 0 }, {}, {}, {}, {}, {}, {}, {}
    for i = 1, n do
        local uid, to, key = uids[i], tos[i], CALL .. uids[i]
        if twice[uid] or ((repeated or known and known[i] == 1) and call('EXISTS', key) == 1) then
            seen[to] = true
        elseif known and (known[i] == 1 or seen[to]) then
            out[#out + 1] = i - 1
        else
            local due, deadline, job = dues[i], deadlines[i], jobs[i]
            local plain = hooks[i] == 0 and due <= NOW and deadline == 0 and numbers
            local head = plain and heads[#job]
            if not head then
                local waits = due > NOW
                local s = { VERSION, waits and WAITING or QUEUED, 0,
                    hooks[i] + (deadline > 0 and HAS_DEADLINE or 0), 0, 0, 0, 0, lane, #job,
                    waits and due or 0, 0, 0, 0, waits and REASONS.not_before or 0 }
                head = pack(STATE, unpack(s))
                if plain then
                    heads[#job] = head
                end
                states[#added + 1] = s
            end
            seen[to], twice[uid] = true, true
            fresh[#fresh + 1] = to
            added[#added + 1] = uid
            records[#records + 1] = key
            records[#records + 1] = head .. job
            if due > NOW then
                call('ZADD', LATER, due, uid)
            else
                ready[#ready + 1] = uid
            end
            if deadline > 0 then
                call('ZADD', DEADLINES, deadline, uid)
            end
        end
    end
    if #added > 0 then
        call('MSET', unpack(records))
        call('RPUSH', list, unpack(added))
        if not numbers then
            call('RPUSH', CONTACTS .. 'a' .. agent, unpack(added))
        end
        if numbers then
            call('SADD', numbers, unpack(fresh))
        end
        if #ready > 0 then
            push('RPUSH', lane, ready)
        end
        count(lane, 'total', #added)
        count(lane, 'waiting', #added)
        settle()
        if numbers then
            emit(EV.IMPORTED, campaign, 0, 0, NOW, pack('>I4I4', #added, n - #added))
        else
            for i, uid in ipairs(added) do
                emit(EV_QUEUED, uid, 0, 0, NOW)
                tell(uid, states[i], T_QUEUED, NOW, STATE_BYTES + states[i][10])
            end
        end
    end
    return out
end
return add()
