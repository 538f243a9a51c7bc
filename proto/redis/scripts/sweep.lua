-- Cancels a bounded number of a canceled campaign's contacts; where it stands is kept, so that
-- whoever comes next goes on.
--
-- ARGV: campaign; reply: { 0, more to do, ended }
local campaign, STEP = ARGV[1], 200
local at = call('HGET', SWEEPS, campaign)
if not at then
    return { 0, 0, ended }
end
local uids = call('LRANGE', CONTACTS .. campaign, at, at + STEP - 1)
for _, uid in ipairs(uids) do
    local s = state(uid)
    if s and s[PHASE] < DIALING then
        end_undialed(uid, s, CANCELED)
    end
end
settle()
if #uids < STEP then
    call('HDEL', SWEEPS, campaign)
    call('DEL', QUEUE .. call('HGET', CAMPAIGN .. campaign, 'lane'))
    return { 0, 0, ended }
end
call('HSET', SWEEPS, campaign, at + STEP)
return { 0, 1, ended }
