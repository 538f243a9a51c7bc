-- A page of calls: a campaign's contacts in the order of their import, or the single calls,
-- newest first. Looks at a bounded number of calls; the cursor is the place to go on from.
--
-- ARGV: campaign or '', phase or -1, cause or -1, cursor, how many
-- reply: { 0, next cursor or 0, (uid, record, lane, why)* }
local campaign, phase, cause = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local cursor, take = tonumber(ARGV[4]), tonumber(ARGV[5])
local list, down = CONTACTS .. campaign, campaign == ''
local CHUNK, LOOKED_MAX, BYTES_MAX = 250, 2000, 4000000
local out, looked, bytes, found = { 0, 0 }, 0, 0, 0

-- What stands in a closed lane is waiting, whatever its record says.
local function phase_of(s)
    local def = lane_def(s[LANE])
    if s[PHASE] == QUEUED and s[WORKER] == 0 and def and def[6] ~= 1 then
        return WAITING
    end
    return s[PHASE]
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
        local s = state(uid)
        if s and (phase < 0 or phase_of(s) == phase) and (cause < 0 or s[CAUSE] == cause) then
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
