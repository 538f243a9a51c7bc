-- ARGV: uid*; reply: { 0, 0, (uid, record, lane, why; or four empty ones)* }
local out = { 0, 0 }
for i = 1, #ARGV do
    local record = redis.pcall('GET', CALL .. ARGV[i])
    if state_of(record) then
        view(out, ARGV[i], record)
    else
        for _ = 1, 4 do
            out[#out + 1] = ''
        end
    end
end
return out
