-- A call with what may hold it back beside its record.
--
-- ARGV: uid, caps (attempts and ms of each, packed)
-- reply: { 0, 0, uid, record, lane, why, suppressed (0 or 1), its reason, free ms of its number,
--          waiting in its lane, its campaign's state or '' } or { error }
local uid = ARGV[1]
local record = redis.pcall('GET', CALL .. uid)
local s = state_of(record)
if not s then
    return { ENOENT }
end
local out = { 0, 0 }
view(out, uid, record)
local to, def = numbers.of(uid), lane_def(s[LANE])
local suppressed = call('ZSCORE', numbers.suppressed, to)
local _, free = numbers.dialled(to, ARGV[2], NOW)
out[#out + 1] = suppressed and 1 or 0
out[#out + 1] = suppressed and call('HGET', numbers.reasons, to) or ''
out[#out + 1] = free
out[#out + 1] = call('LLEN', QUEUE .. s[LANE])
out[#out + 1] = def and def[2] ~= NO_CAMPAIGN and call('HGET', CAMPAIGN .. def[2], 'state') or ''
return out
