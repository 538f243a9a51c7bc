-- Rows, newest first, a bounded number looked at.
--
-- ARGV: status wanted or -1, kinds of destination wanted (bytes), endpoint or '', number to begin
--       below (0: the newest), how many
-- reply: { 0, next, (number, row)* }; next 0: no more
local LOOK_MAX, LOOK_PIECE = 4000, 200
local status, kinds, point = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local below, take = tonumber(ARGV[4]), tonumber(ARGV[5])
local newest = tonumber(call('GET', ROWS) or '0')
if below == 0 or below > newest + 1 then
    below = newest + 1
end

-- Numbers to look at, newest first. The dead have an index; others are looked for among all.
local function numbers_below(below)
    if status == ROW_DEAD then
        return call('ZREVRANGEBYSCORE', DEAD, '(' .. below, '-inf', 'LIMIT', 0, LOOK_PIECE)
    end
    local numbers = {}
    for number = below - 1, math.max(1, below - LOOK_PIECE), -1 do
        numbers[#numbers + 1] = number
    end
    return numbers
end

local function is_wanted(row)
    return row and #row > 71 and (status < 0 or row:byte(2) == status)
        and kinds:find(row:sub(4, 4), 1, true) and (point == '' or row:sub(51, 66) == point)
end

local out, got, looked = { 0, 0 }, 0, 0
while got < take and looked < LOOK_MAX do
    local numbers, keys = numbers_below(below), {}
    if #numbers == 0 then
        return out
    end
    for i, number in ipairs(numbers) do
        keys[i] = ROW .. number
    end
    for i, row in ipairs(call('MGET', unpack(keys))) do
        below, looked = tonumber(numbers[i]), looked + 1
        if is_wanted(row) then
            out[#out + 1] = below
            out[#out + 1] = row
            got = got + 1
            if got == take then
                break
            end
        end
    end
end
out[2] = below > 1 and below or 0
return out
