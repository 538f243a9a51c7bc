-- A worker takes up service in an org under a new number. The number it had before is dead from
-- now on, whatever its lease says: its process is the one that asks.
--
-- What 0.2.0 left to deliver becomes what this version knows, once: it kept a chain as a list (wc:),
-- claims apart (wl, wk, wt).
--
-- ARGV: worker's name
-- reply: { number, number before or 0, campaign with an unfinished cancel* }
local function renew_outbox()
    local known, old_claims = P .. 'wv', P .. 'wl'
    if call('EXISTS', known) == 1 then
        return
    end
    for _, key in ipairs({ DUES, old_claims }) do
        for _, chain in ipairs(call('ZRANGE', key, 0, -1)) do
            local list = call('LRANGE', P .. 'wc:' .. chain, 0, -1)
            if #list > 0 then
                local later = call('GET', CHAIN .. chain) or ''
                call('SET', CHAIN .. chain, table.concat(list, ' ') .. ' ' .. later)
                call('DEL', P .. 'wc:' .. chain)
                call('ZADD', DUES, NOW, chain)
            end
        end
    end
    call('DEL', old_claims, P .. 'wk', P .. 'wt')
    call('SET', known, 2)
end
renew_outbox()

local number = call('HINCRBY', WORKER_IDS, 'n', 1)
local before = call('HGET', WORKER_IDS, '=' .. ARGV[1])
if before then
    call('ZADD', WORKERS, 0, before) -- also when it isn't listed: it may hold calls all the same
end
call('HSET', WORKER_IDS, '=' .. ARGV[1], number)
call('ZADD', WORKERS, NOW, number)
local out = { number, tonumber(before or '0') }
for _, campaign in ipairs(call('HKEYS', SWEEPS)) do
    out[#out + 1] = campaign
end
return out
