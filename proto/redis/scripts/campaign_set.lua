-- Changes a campaign's pace and cap, or its state, and its lane with it.
--
-- ARGV: uid, 'limits', cps in thousandths or '', max calls or '', who
--       uid, 'state', state, who
-- reply: { error }
local uid, what = ARGV[1], ARGV[2]
local c = call('HMGET', CAMPAIGN .. uid, 'state', 'lane', 'started', 'name')
if not c[2] then
    return { ENOENT }
end
local from, lane = tonumber(c[1]), tonumber(c[2])
local def = lane_def(lane)
if not def then
    return { ENOENT }
end

local DRAFT, RUNNING, PAUSED, CANCELED_, DRAINING = 0, 1, 2, 3, 4
local words = { [DRAFT] = 'draft', 'running', 'paused', 'canceled', 'draining' }
local function limit(value, unit)
    return value == 0 and '' or string.format('%.10g', value / unit)
end
if what == 'limits' then
    local cps, max = tonumber(ARGV[3]) or def[4], tonumber(ARGV[4]) or def[5]
    note('c', uid, c[4], ARGV[5], was_is('cps', limit(def[4], 1000), limit(cps, 1000)) ..
        was_is('max_calls', limit(def[5], 1), limit(max, 1)))
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
    elseif to == DRAFT or not words[to] or
        ((to == PAUSED or to == DRAINING) and (from == DRAFT or from == CANCELED_)) then
        return { ECONFLICT }
    end
    note('c', uid, c[4], ARGV[4], was_is('state', words[from] or '', words[to]))
    call('HSET', CAMPAIGN .. uid, 'state', to)
    if to == RUNNING and tonumber(c[3] or '0') == 0 then
        call('HSET', CAMPAIGN .. uid, 'started', NOW)
    end
    if to == CANCELED_ then
        call('HSET', SWEEPS, uid, 0)
    end
    def[6] = to == RUNNING and 1 or to == CANCELED_ and 2 or 0
    emit(to == PAUSED and EV.PAUSED or to == DRAINING and EV.DRAINING or
        to == CANCELED_ and EV.CANCELED or from ~= DRAFT and EV.RESUMED or EV.STARTED,
        uid, 0, 0, NOW)
end
call('HSET', LANES, lane, pack(LANE_DEF, unpack(def, 1, 6)) .. def.text:sub(46))
changed(CHANGED_LANES, lane)
return { 0 }
