-- What somebody changed while it ran, kept in a stream whose ids are the times: in front of the
-- scripts that change it.
local AUDIT, AUDIT_MAX = P .. 'audit', 10000

-- One value's line; '' when it stays as it is.
local function was_is(what, before, after)
    return before == after and '' or what .. '\t' .. before .. '\t' .. after .. '\n'
end

local function note(kind, target, name, who, changes)
    if changes ~= '' then
        call('XADD', AUDIT, 'MAXLEN', '~', AUDIT_MAX, '*', 'k', kind, 't', target, 'n', name,
            'w', who, 'c', changes)
    end
end
