-- Rates that several processes keep together: who may send when. A slot is a moment of the rate;
-- all slots of a rate are an interval apart and each is one process's. While one process alone
-- wants a rate it has all of it for a while (`sole`) and keeps the limits by itself. Of some rates
-- no slots are dealt: one process at a time has all of it, as long as it wants some. The C side is
-- engine/core/share.h, which says why this holds.
--
-- KEYS: "od:{shared}:"
-- ARGV: process, (rate's key, want, interval, late, pause, sole: 0 never, 1 alone, 2 always)*;
-- times in us
-- reply: { our clock in us, { sole until or 0, slot* }* }
--
-- The books of a rate: n: the first moment not yet given away; i: how far that is behind the slot
-- before it, where there is one; o, u: who has it alone, until when;
-- r: who got the last slot; w: the processes, each with id, s: seen, w: wants, l: its last slot,
-- p: slots given to it that it hasn't heard of.
local AHEAD, LEAD = 400000, 3000 -- slots are given away so far ahead; and not nearer than that
local SOLE = 1000000
local FRESH, ALIVE = 700000, 1600000 -- what was wanted longer ago isn't any more; nor anyone there

local t = call('TIME')
local now = t[1] * 1000000 + t[2]
local id = ARGV[1]

local function books(key, far)
    local text = redis.pcall('GET', key)
    local ok, b = pcall(cmsgpack.unpack, type(text) == 'string' and text or '')
    if not ok or type(b) ~= 'table' or type(b.w) ~= 'table' or not b.n then
        return { n = now, o = '', u = 0, r = 0, w = {} }
    end
    if b.n > now + far then -- this clock was set back: what was given away is none of its times
        return { n = now + far / 2, o = '', u = 0, r = 0, w = {} }
    end
    return b
end

-- Our own entry; the dead leave when nothing of theirs can count any more.
local function mine(b, pause)
    local me
    for i = #b.w, 1, -1 do
        local p = b.w[i]
        if p.id == id then
            me = p
        elseif p.s + ALIVE < now and p.l + pause < now then
            table.remove(b.w, i)
        end
    end
    if not me then
        me = { id = id, l = 0, p = {} }
        b.w[#b.w + 1] = me
    end
    return me
end

local function alone(b, pause)
    if b.o ~= '' and b.o ~= id and b.u + pause > now then
        return false
    end
    for _, p in ipairs(b.w) do
        if p.id ~= id and (p.s + ALIVE >= now or p.l + pause > now) then
            return false
        end
    end
    return true
end

-- Gives the slots up to the horizon away, in turn among those that want some.
local function deal(b, interval)
    local wanting, last = 0, b.r
    if b.i and interval < b.i then -- the rate was raised: the next slot needn't be as far away
        b.n = b.n - b.i + interval
        b.i = interval
    end
    for _, p in ipairs(b.w) do
        p.w = p.s + FRESH >= now and p.w or 0
        wanting = wanting + p.w
    end
    b.n = math.max(b.n, now + LEAD)
    while wanting > 0 and b.n <= now + AHEAD do
        local p
        repeat
            last = last % #b.w + 1
            p = b.w[last]
        until p.w > 0
        p.p[#p.p + 1] = b.n
        p.l, p.w = b.n, p.w - 1
        wanting = wanting - 1
        b.n = b.n + interval
        b.i = interval
    end
    b.r = last
end

-- The whole rate goes to who wants some, when nothing of another's can count any more.
local function whole(b, want, pause)
    local ours = b.o == id and b.u + pause >= b.n
    if want > 0 and (ours or b.n <= now) then
        b.o, b.u = id, now + SOLE
        b.n, b.i = b.u + pause, nil
    end
    return { b.o == id and b.u > now and b.u or 0 }
end

local function serve(key, want, interval, late, pause, sole)
    local b = books(key, 2 * (SOLE + AHEAD + pause + interval))
    local me = mine(b, pause)
    local out = { 0 }
    me.s, me.w = now, want
    if sole == '2' then
        me.w, me.p = 0, {}
        out = whole(b, want, pause)
    elseif sole == '1' and alone(b, pause) then
        b.o, b.u = id, now + SOLE
        b.n, b.i = b.u + pause, nil
        me.p, me.l = {}, 0
        out[1] = b.u
    else
        deal(b, interval)
        if b.o == id and b.u > now then
            out[1] = b.u
        end
        for _, at in ipairs(me.p) do
            if at + late > now then
                out[#out + 1] = at
            end
        end
        me.p = {}
    end
    call('SET', key, cmsgpack.pack(b), 'PX', math.ceil((b.n - now) / 1000) + 60000)
    return out
end

local reply = { now }
for i = 2, #ARGV, 6 do
    reply[#reply + 1] = serve(P .. 'r:' .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]),
        tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5])
end
return reply
