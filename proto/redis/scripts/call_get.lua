-- ARGV: uid; reply: { 0, 0, uid, record, lane, why } or { error }
local record = redis.pcall('GET', CALL .. ARGV[1])
if not state_of(record) then
    return { ENOENT }
end
local out = { 0, 0 }
view(out, ARGV[1], record)
return out
