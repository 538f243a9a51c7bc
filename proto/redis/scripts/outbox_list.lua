-- Rows, newest first, a bounded number looked at.
--
-- ARGV: status wanted or -1, kinds of destination wanted (bytes), endpoint or '', number to begin
--       below (0: the newest), how many
-- reply: { 0, next, (number, row)* }; next 0: no more
local LOOK_MAX = 4000
local status, kinds, point = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local below, take = tonumber(ARGV[4]), tonumber(ARGV[5])
local newest = tonumber(call('GET', ROWS) or '0')
if below == 0 or below > newest + 1 then
    below = newest + 1
end
local out, got, looked = { 0, 0 }, 0, 0
while below > 1 and got < take and looked < LOOK_MAX do
    local keys, first = {}, math.max(1, below - 200)
    for n = below - 1, first, -1 do
        keys[#keys + 1] = ROW .. n
    end
    local rows = call('MGET', unpack(keys))
    for i = 1, #keys do
        local row, number = rows[i], below - 1
        below, looked = number, looked + 1
        if row and #row > 71 and (status < 0 or row:byte(2) == status)
            and kinds:find(row:sub(4, 4), 1, true)
            and (point == '' or row:sub(51, 66) == point) then
            out[#out + 1] = number
            out[#out + 1] = row
            got = got + 1
            if got == take then
                break
            end
        end
    end
end
if below > 1 then
    out[2] = below
end
return out
