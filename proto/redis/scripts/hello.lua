-- A worker takes up service in an org under a new number. The number it had before is dead from
-- now on, whatever its lease says: its process is the one that asks.
--
-- ARGV: worker's name
-- reply: { number, campaign with an unfinished cancel* }
local number = call('HINCRBY', WORKER_IDS, 'n', 1)
local before = call('HGET', WORKER_IDS, '=' .. ARGV[1])
if before then
    call('ZADD', WORKERS, 'XX', 0, before)
end
call('HSET', WORKER_IDS, '=' .. ARGV[1], number)
call('ZADD', WORKERS, NOW, number)
local out = { number }
for _, campaign in ipairs(call('HKEYS', SWEEPS)) do
    out[#out + 1] = campaign
end
return out
