-- The end of a request under an idempotency key.
--
-- ARGV: key's hash, seed, how (enum od_once_end), print, answer; reply: { error }
local KEEP, DROP = '0', '1'
local key, how = ONCE .. ARGV[1], ARGV[3]
local r = call('HMGET', key, 'seed', 'answer')
if r[1] ~= ARGV[2] or r[2] then
    return { ENOENT } -- another's by now, or answered already
end
if how == KEEP then
    call('HSET', key, 'print', ARGV[4], 'answer', ARGV[5], 'until', 0)
elseif how == DROP then
    call('DEL', key)
else
    call('HSET', key, 'until', 0)
end
return { 0 }
