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

-- First what may fail or be left out, then the writing.
local rows, to_of, fresh, keys = {}, {}, {}, {}
for i = 5, #ARGV do
    local uid, due, deadline, hooks, to, at = unpack_('>c16I6I6BBc0', ARGV[i])
    rows[#rows + 1] = { uid = uid, due = due, deadline = deadline, hooks = hooks, to = to,
        job = ARGV[i]:sub(at) }
    to_of[#to_of + 1] = to
    keys[#keys + 1] = CALL .. uid
end
local known = numbers and call('SMISMEMBER', numbers, unpack(to_of))
local repeated, twice = call('EXISTS', unpack(keys)) > 0, {}
local out, records, uids, states, ready, seen = { 0 }, {}, {}, {}, {}, {}
for i, row in ipairs(rows) do
    if twice[row.uid] or (repeated and call('EXISTS', CALL .. row.uid) == 1) then
        seen[row.to] = true
    elseif known and (known[i] == 1 or seen[row.to]) then
        out[#out + 1] = i - 1
    else
        seen[row.to], twice[row.uid] = true, true
        fresh[#fresh + 1] = row.to
        local waits = row.due > NOW
        local s = { VERSION, waits and WAITING or QUEUED, 0,
            row.hooks + (row.deadline > 0 and HAS_DEADLINE or 0), 0, 0, 0, 0, lane, #row.job,
            waits and row.due or 0, 0, 0, 0, waits and REASONS.not_before or 0 }
        records[#records + 1] = CALL .. row.uid
        records[#records + 1] = pack(STATE, unpack(s)) .. row.job
        uids[#uids + 1] = row.uid
        states[#states + 1] = s
        if waits then
            call('ZADD', LATER, row.due, row.uid)
        else
            ready[#ready + 1] = row.uid
        end
        if row.deadline > 0 then
            call('ZADD', DEADLINES, row.deadline, row.uid)
        end
    end
end
if #uids > 0 then
    call('MSET', unpack(records))
    call('RPUSH', list, unpack(uids))
    if not numbers then
        call('RPUSH', CONTACTS .. 'a' .. agent, unpack(uids))
    end
    if numbers then
        call('SADD', numbers, unpack(fresh))
    end
    if #ready > 0 then
        push('RPUSH', lane, ready)
    end
    count(lane, 'total', #uids)
    count(lane, 'waiting', #uids)
    settle()
    if numbers then
        emit(EV.IMPORTED, campaign, 0, 0, NOW, pack('>I4I4', #uids, #rows - #uids))
    else
        for i, uid in ipairs(uids) do
            emit(EV_QUEUED, uid, 0, 0, NOW)
            tell(uid, states[i], T_QUEUED, NOW, STATE_BYTES + states[i][10])
        end
    end
end
return out
