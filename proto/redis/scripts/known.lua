-- Which of these calls are not there (any more).
--
-- ARGV: uid*
-- reply: { 0, uid* }
local out = { 0 }
for i = 1, #ARGV do
    if call('EXISTS', CALL .. ARGV[i]) == 0 then
        out[#out + 1] = ARGV[i]
    end
end
return out
