-- What somebody changed while it ran, kept in a stream whose ids are the times: in front of the
-- scripts that change it.
local AUDIT, AUDIT_MAX = P .. 'audit', 10000

-- One value's line; '' when it stays as it is.
local function was_is(what, before, after)
    return before == after and '' or what .. '\t' .. before .. '\t' .. after .. '\n'
end

-- when: wall ms, of what is told later; it stands where it belongs if nothing newer was told yet.
local function note(kind, target, name, who, changes, when)
    local id = when and tonumber(when) < NOW - 1000 and when .. '-*' or '*'
    local function add(at)
        return redis.pcall('XADD', AUDIT, 'MAXLEN', '~', AUDIT_MAX, at, 'k', kind, 't', target,
            'n', name, 'w', who, 'c', changes)
    end
    if changes ~= '' and type(add(id)) == 'table' then
        add('*')
    end
end
