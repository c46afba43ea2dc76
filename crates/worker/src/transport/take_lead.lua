-- Takes or renews the dispatcher's lease. Returns 1 if the candidate holds it now, else 0.
--
-- KEYS[1]: lease
-- ARGV[1]: candidate   ARGV[2]: duration in ms
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
