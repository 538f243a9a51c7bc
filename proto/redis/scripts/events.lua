-- Events with what their reader needs to know of the calls in them.
--
-- ARGV: id to read after ('0': from the oldest kept), how many
-- reply: { 0, (id, event, record or nil, lane)* }
local out = { 0 }
for _, entry in ipairs(call('XRANGE', EVENTS, '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
    local b = entry[2][2]
    if type(b) == 'string' and #b >= 26 then
        local record, lane = false, ''
        if b:byte(1) < EV.CREATED then
            record = redis.pcall('GET', CALL .. b:sub(11, 26))
            local s = state_of(record)
            local def = s and lane_def(s[LANE])
            record = s and record or false
            lane = def and def.text or ''
        end
        out[#out + 1] = entry[1]
        out[#out + 1] = b
        out[#out + 1] = record
        out[#out + 1] = lane
    end
end
return out
