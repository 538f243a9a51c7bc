-- The list of what was changed while it ran: notes a change that was made elsewhere, or reads.
--
-- ARGV: 'add', kind, target, name, who, changes
--       'list', newest id, oldest id, how many, kind or '', target or name or '', who or ''
-- reply: { 0, (id, kind, target, name, who, changes)* }
local PAGE = 500
if ARGV[1] == 'add' then
    note(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
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
