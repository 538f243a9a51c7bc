-- What becomes of a dialled call, for the scripts that are told: turn and reconcile.
local attempt = {}

-- It rings, or was answered, at these times; 0: not yet.
function attempt.note_progress(uid, s, rang, answered)
    if rang > 0 and s[RANG] == 0 and s[ANSWERED] == 0 then
        s[RANG], s[PHASE] = rang, RINGING
        emit(EV_RINGING, uid, 0, 0, rang)
        tell(uid, s, T_RINGING, rang, call('STRLEN', CALL .. uid))
    end
    if answered > 0 and s[ANSWERED] == 0 then
        s[ANSWERED], s[PHASE] = answered, TALKING
        emit(EV_ANSWERED, uid, 0, 0, answered)
        tell(uid, s, T_ANSWERED, answered, call('STRLEN', CALL .. uid))
    end
end

function attempt.may_retry(uid, s, most)
    local def = lane_def(s[LANE])
    return def and def[6] ~= 2 and s[FLAGS] < STOPPED and numbers.tries_since(uid) < most
end

-- Stores an outcome (an order of kind F). '2': it was an attempt's, and the call waits for the next.
function attempt.finish(op, uid, s, capped)
    if s[PHASE] == ENDED then
        return '1'
    end
    local cause, sip, dialed, rang, answered, over, retry, most, on_person, at =
        unpack_('>BHI6I6I6I6I6BB', op, 22)
    attempt.note_progress(uid, s, rang, answered)
    if s[PHASE] >= DIALING and on_person == 1 and s[TRIES] < 15 * ATTEMPT then
        s[TRIES] = s[TRIES] + ATTEMPT
    elseif s[PHASE] >= DIALING and on_person == 0 and (capped or most > 1) then
        numbers.forget(uid, s)
    end
    s[SIP], s[DIALED] = sip, dialed
    if retry > 0 and attempt.may_retry(uid, s, most) then
        emit(EV_RETRY, uid, cause, sip, over, pack('>I6', retry))
        count(s[LANE], 'active', -1)
        count(s[LANE], 'waiting', 1)
        s[RANG], s[ANSWERED] = 0, 0 -- the next attempt's to tell
        let_wait(uid, s, retry, 'retry')
        call('APPEND', CALL .. uid, op:sub(at))
        return '2'
    end
    end_call(uid, s, cause, over)
    keep(uid, s)
    call('APPEND', CALL .. uid, op:sub(at))
    return '1'
end
