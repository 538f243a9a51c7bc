-- A worker takes up service in an org under a new number. The number it had before is dead from
-- now on, whatever its lease says: its process is the one that asks.
--
-- Versions that keep things in other ways may not work on one org at a time: each would lose what the
-- other writes. The format has a number. While a process of an older one may be at work here, this
-- one isn't let in; once it is, what was left is put into the present form, and the keys that older
-- ones begin with hold a text, by which Redis refuses them.
--
-- ARGV: worker's name, ms that a lease lasts
-- reply: { number, number before or 0, campaign with an unfinished cancel* }, or
--        { ECONFLICT, how many of an older version are at work }, { ECONFLICT, 0 }: a newer one was
local FORMAT, FORMAT_NOW = P .. 'format', 3
local WORKERS_BEFORE, IDS_BEFORE = P .. 'workers', P .. 'wids' -- up to format 2
local REFUSAL = 'a newer version of outdial works here: stop this one'

-- Those of an older version whose lease is not over; not the process that asks, before its upgrade.
local function older_at_work(name, lease)
    if call('TYPE', IDS_BEFORE).ok ~= 'hash' then
        return 0
    end
    local own, n = call('HGET', IDS_BEFORE, '=' .. name), 0
    for _, worker in ipairs(call('ZRANGEBYSCORE', WORKERS_BEFORE, NOW - lease, '+inf')) do
        n = n + (worker ~= own and 1 or 0)
    end
    return n
end

-- 0.2.0 kept a chain as a list (wc:), claims apart (wl, wk, wt).
local function renew_outbox()
    local old_claims = P .. 'wl'
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
    call('DEL', old_claims, P .. 'wk', P .. 'wt', P .. 'wv')
end

local function renew()
    if call('TYPE', IDS_BEFORE).ok == 'hash' then
        renew_outbox()
        call('RENAME', IDS_BEFORE, WORKER_IDS)
        if call('EXISTS', WORKERS_BEFORE) == 1 then
            call('RENAME', WORKERS_BEFORE, WORKERS)
        end
    end
    call('MSET', WORKERS_BEFORE, REFUSAL, IDS_BEFORE, REFUSAL, FORMAT, FORMAT_NOW)
end

local format = tonumber(call('GET', FORMAT) or '0')
if format > FORMAT_NOW then
    return { ECONFLICT, 0 }
elseif format < FORMAT_NOW then
    local older = older_at_work(ARGV[1], tonumber(ARGV[2]))
    if older > 0 then
        return { ECONFLICT, older }
    end
    renew()
end

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
