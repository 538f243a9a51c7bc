-- The list of numbers that nobody may dial. A number's score is when it came: ms * 4096 and a count
-- within the ms, so that pages go by score and nothing that comes or goes moves them.
--
-- ARGV: 'put', (number, reason)*     reply: { 0, index of a number that was on it already* }
--       'remove', number             reply: { error }
--       'find', number               reply: { 0, 0, number, reason, created ms } or { error }
--       'list', cursor, how many     reply: { 0, next cursor or 0, (number, reason, created ms)* }
local what = ARGV[1]

local function show(out, number, score)
    out[#out + 1] = number
    out[#out + 1] = call('HGET', numbers.reasons, number) or ''
    out[#out + 1] = math.floor(tonumber(score) / 4096)
end

if what == 'put' then
    local out = { 0 }
    local last = call('ZRANGE', numbers.suppressed, -1, -1, 'WITHSCORES')[2]
    local score = math.max(NOW * 4096, tonumber(last or '0') + 1)
    for i = 2, #ARGV, 2 do
        if call('ZADD', numbers.suppressed, 'NX', string.format('%.0f', score), ARGV[i]) == 0 then
            out[#out + 1] = (i - 2) / 2
        else
            score = score + 1
            if ARGV[i + 1] ~= '' then
                call('HSET', numbers.reasons, ARGV[i], ARGV[i + 1])
            end
        end
    end
    return out
elseif what == 'remove' then
    call('HDEL', numbers.reasons, ARGV[2])
    return { call('ZREM', numbers.suppressed, ARGV[2]) == 1 and 0 or ENOENT }
elseif what == 'find' then
    local score = call('ZSCORE', numbers.suppressed, ARGV[2])
    if not score then
        return { ENOENT }
    end
    local out = { 0, 0 }
    show(out, ARGV[2], score)
    return out
end
local take = tonumber(ARGV[3])
local page = call('ZREVRANGEBYSCORE', numbers.suppressed, ARGV[2] == '0' and '+inf' or '(' .. ARGV[2], '-inf',
    'WITHSCORES', 'LIMIT', 0, take)
local out = { 0, #page == 2 * take and string.format('%.0f', page[#page]) or '0' }
for i = 1, #page, 2 do
    show(out, page[i], page[i + 1])
end
return out
