-- A worker takes up service in an org under a new number. The number it had before is dead from
-- now on, whatever its lease says: its process is the one that asks.
--
-- ARGV: worker's name
-- reply: { number, number before or 0, campaign with an unfinished cancel* }
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
