-- Cancels or hangs up one call: ends it here when nobody has dialled it, else asks its holder.
--
-- ARGV: uid, hang up (1) or cancel before the answer only (0)
-- reply: { 0, ended } or { error }
local uid, hangup = ARGV[1], ARGV[2] == '1'
local s = state(uid)
if not s then
    return { ENOENT }
elseif s[PHASE] == ENDED or (s[PHASE] == TALKING and not hangup) then
    return { ECONFLICT }
elseif s[PHASE] < DIALING then
    end_undialed(uid, s, CANCELED)
    settle()
else
    if s[FLAGS] < STOPPED then -- no retry either, whoever hears of it first
        s[FLAGS] = s[FLAGS] + STOPPED
        keep(uid, s)
    end
    call('ZADD', STOPS .. s[WORKER], call('INCR', SEQ), uid .. (hangup and 'h' or 'c'))
end
return { 0, ended }
