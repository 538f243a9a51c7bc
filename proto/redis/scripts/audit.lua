-- The list of what was changed while it ran: notes a change that was made elsewhere, perhaps a while
-- ago, and perhaps once more, or reads.
--
-- ARGV: 'add' or 'again', kind, target, name, who, changes, when: wall ms
--       'list', newest id, oldest id, how many, kind or '', target or name or '', who or ''
-- reply: { 0, (id, kind, target, name, who, changes)* }
local PAGE = 500
if ARGV[1] ~= 'list' then
    -- The same change of the same thing can't follow itself: its answer was lost.
    local before = ARGV[1] == 'again' and call('XREVRANGE', AUDIT, '+', '-', 'COUNT', 64) or {}
    for _, entry in ipairs(before) do
        local f = entry[2]
        if f[2] == ARGV[2] and f[4] == ARGV[3] then
            if f[8] == ARGV[5] and f[10] == ARGV[6] then
                return { 0 }
            end
            break
        end
    end
    note(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
    return { 0 }
end
local from, oldest, take, kind, target, who = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local out, found = { 0 }, 0
while found < take do
    local page = call('XREVRANGE', AUDIT, from, oldest, 'COUNT', PAGE)
    for _, entry in ipairs(page) do
        local f = entry[2]
        if found < take and (kind == '' or f[2] == kind) and (who == '' or f[8] == who) and
            (target == '' or f[4] == target or f[6] == target) then
            found = found + 1
            out[#out + 1] = entry[1]
            for i = 2, 10, 2 do
                out[#out + 1] = f[i]
            end
        end
    end
    if #page < PAGE then
        break
    end
    from = '(' .. page[#page][1]
end
return out
