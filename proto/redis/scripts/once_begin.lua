-- Who goes on with a request under an idempotency key: the first, or one who takes over from a
-- process that has died in the middle of it.
--
-- ARGV: key's hash, print or '', seed, lease ms, seconds to keep
-- reply: { 0, state (enum od_once_state), seed, print, answer } or { error }
local FRESH, AGAIN, RUNNING, DONE, OTHER = 0, 1, 2, 3, 4
local key, print_, seed = ONCE .. ARGV[1], ARGV[2], ARGV[3]
local r = call('HMGET', key, 'seed', 'print', 'until', 'answer')
if not r[1] then
    call('HSET', key, 'seed', seed, 'print', print_, 'until', NOW + ARGV[4])
    call('EXPIRE', key, ARGV[5])
    return { 0, FRESH, seed, print_, '' }
end
if print_ ~= '' and r[2] ~= '' and print_ ~= r[2] then
    return { 0, OTHER, r[1], r[2], '' }
elseif r[4] then
    return { 0, DONE, r[1], r[2], r[4] }
elseif tonumber(r[3]) > NOW then
    return { 0, RUNNING, r[1], r[2], '' }
end
call('HSET', key, 'until', NOW + ARGV[4], 'print', print_ ~= '' and print_ or r[2])
return { 0, AGAIN, r[1], print_, '' }
