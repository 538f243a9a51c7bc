-- Changes a campaign's pace and cap, or its state, and its lane with it.
--
-- ARGV: uid, 'limits', cps in thousandths or '', max calls or ''
--       uid, 'state', state
-- reply: { error }
local uid, what = ARGV[1], ARGV[2]
local c = call('HMGET', CAMPAIGN .. uid, 'state', 'lane', 'started')
if not c[2] then
    return { ENOENT }
end
local from, lane = tonumber(c[1]), tonumber(c[2])
local def = lane_def(lane)
if not def then
    return { ENOENT }
end

local DRAFT, RUNNING, PAUSED, CANCELED_ = 0, 1, 2, 3
if what == 'limits' then
    if ARGV[3] ~= '' then
        def[4] = tonumber(ARGV[3])
        call('HSET', CAMPAIGN .. uid, 'cps', ARGV[3])
    end
    if ARGV[4] ~= '' then
        def[5] = tonumber(ARGV[4])
        call('HSET', CAMPAIGN .. uid, 'max', ARGV[4])
    end
else
    local to = tonumber(ARGV[3])
    if from == CANCELED_ then
        return { ECONFLICT }
    elseif to == from then
        return { 0 }
    elseif to == DRAFT or (to == PAUSED and from ~= RUNNING) or to > CANCELED_ or to < DRAFT then
        return { ECONFLICT }
    end
    call('HSET', CAMPAIGN .. uid, 'state', to)
    if to == RUNNING and tonumber(c[3] or '0') == 0 then
        call('HSET', CAMPAIGN .. uid, 'started', NOW)
    end
    if to == CANCELED_ then
        call('HSET', SWEEPS, uid, 0)
    end
    def[6] = to == RUNNING and 1 or to == CANCELED_ and 2 or 0
    emit(to == PAUSED and EV.PAUSED or to == CANCELED_ and EV.CANCELED or
        from == PAUSED and EV.RESUMED or EV.STARTED, uid, 0, 0, NOW)
end
call('HSET', LANES, lane, pack(LANE_DEF, unpack(def, 1, 6)) .. def.text:sub(46))
changed(CHANGED_LANES, lane)
return { 0 }
