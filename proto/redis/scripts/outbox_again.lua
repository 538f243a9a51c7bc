-- Delivers rows again: the one of that number, or the dead ones (of an endpoint, or all), a bounded
-- number. Each becomes a chain of its own, so that nothing waits for it, and keeps its event's id.
--
-- ARGV: number (0: the dead), kinds of destination allowed (bytes), endpoint or '', how many
-- reply: { error } or { 0, rows put back, (number, row)* }; of the dead only the count
local number, kinds, point, take = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local function again(n, row)
    local uid = row:sub(35, 50)
    local manual = math.min(unpack_('>H', row, 7) + 1, 65535)
    -- pending; attempts stay, one more by hand, no status, a new round of tries, due now
    row = row:sub(1, 1) .. string.char(ROW_PENDING) .. row:sub(3, 6) .. pack('>HHH', manual, 0, 0)
        .. row:sub(13, 22) .. pack('>I6I6', NOW, NOW) .. row:sub(35)
    call('SET', ROW .. n, row)
    call('ZREM', DEAD, n)
    call('LREM', DONE, 1, n)
    local chain = uid .. 'r' .. pack('>I6', tonumber(n))
    call('APPEND', CHAIN .. chain, n .. ' ')
    call('ZADD', DUES, NOW, chain)
    return row
end

if number ~= '0' then
    local row = call('GET', ROW .. number)
    if not row or #row < 72 or not kinds:find(row:sub(4, 4), 1, true) then
        return { ENOENT }
    elseif row:byte(2) == ROW_PENDING then
        return { ECONFLICT }
    end
    return { 0, 1, tonumber(number), again(number, row) }
end
local done = 0
for _, n in ipairs(call('ZRANGE', DEAD, 0, 4 * take)) do
    local row = call('GET', ROW .. n)
    if row and done < take and kinds:find(row:sub(4, 4), 1, true)
        and (point == '' or row:sub(51, 66) == point) then
        again(n, row)
        done = done + 1
    end
end
return { 0, done }
