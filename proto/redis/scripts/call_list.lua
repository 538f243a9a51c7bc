-- A page of calls: a campaign's contacts in the order of their import, or the single calls,
-- newest first. Looks at a bounded number of calls; the cursor is the place to go on from.
--
-- ARGV: campaign or '', agent or '', bits of phases, bits of causes (both 0: any), created at or
--       after and before that ms (0: any), cursor, how many
-- reply: { 0, next cursor or 0, (uid, record, lane, why)* }
local campaign, agent = ARGV[1], ARGV[2]
local phases, causes = tonumber(ARGV[3]), tonumber(ARGV[4])
local since, before = tonumber(ARGV[5]), tonumber(ARGV[6])
local cursor, take = tonumber(ARGV[7]), tonumber(ARGV[8])
local list, down = CONTACTS .. campaign, campaign == ''
if down and agent ~= '' then -- an agent's single calls have a list of their own
    list, agent = CONTACTS .. 'a' .. agent, ''
end
local CHUNK, LOOKED_MAX, BYTES_MAX = 250, 2000, 1000000
local out, looked, bytes, found = { 0, 0 }, 0, 0, 0

-- What stands in a closed lane is waiting, whatever its record says.
local function phase_of(s)
    local def = lane_def(s[LANE])
    if s[PHASE] == QUEUED and s[WORKER] == 0 and def and def[6] ~= 1 then
        return WAITING
    end
    return s[PHASE]
end

local function has(bits, n)
    return bit.band(bits, bit.lshift(1, n)) ~= 0
end

-- A call's name begins with the ms it was made at, which costs no look at its record.
local function made_in_time(uid)
    local ms = unpack_('>I6', uid)
    return ms >= since and (before == 0 or ms < before)
end

local function wanted(uid)
    if (since > 0 or before > 0) and not made_in_time(uid) then
        return false
    end
    local s = state(uid)
    if not s then
        return false
    end
    if agent ~= '' then
        local def = lane_def(s[LANE])
        if not def or def[1] ~= agent then
            return false
        end
    end
    return phases + causes == 0 or has(phases, phase_of(s)) or
        s[PHASE] == ENDED and has(causes, s[CAUSE])
end

local length = call('LLEN', list)
if down then -- the cursor counts from the old end, so that newer calls don't move it
    cursor = cursor == 0 and length or math.min(cursor, length)
end
while found < take and looked < LOOKED_MAX and bytes < BYTES_MAX do
    local from, to = cursor, cursor + CHUNK - 1
    if down then
        from, to = math.max(cursor - CHUNK, 0), cursor - 1
    end
    if to < from or from >= length then
        cursor = 0
        break
    end
    local uids = call('LRANGE', list, from, to)
    for i = 1, #uids do
        local uid = uids[down and #uids + 1 - i or i]
        if wanted(uid) then
            local record = call('GET', CALL .. uid)
            view(out, uid, record)
            found, bytes = found + 1, bytes + #record
        end
        looked = looked + 1
        cursor = cursor + (down and -1 or 1)
        if found == take or bytes >= BYTES_MAX then
            break
        end
    end
    if cursor <= 0 or cursor >= length and not down then
        cursor = 0
        break
    end
end
out[2] = cursor
return out
