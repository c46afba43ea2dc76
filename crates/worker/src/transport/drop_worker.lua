-- Drops ids that a worker had in flight; the worker goes with the last of them. Returns how many ids were dropped.
--
-- KEYS[1]: sorted set of registered apalis workers   KEYS[2]: the worker's metadata   KEYS[3]: its in-flight ids
-- KEYS[4]: hash of task data
-- ARGV[1]: worker   ARGV[2]: prefix of the metadata hashes   ARGV[3]: the most ids to drop
local ids = redis.call('SPOP', KEYS[3], ARGV[3])
for _, id in ipairs(ids) do
  local meta = ARGV[2] .. ':' .. id
  local seen = redis.pcall('HGET', meta, 'seen')
  if type(seen) == 'string' then
    redis.call('DEL', seen)
  end
  redis.call('HDEL', KEYS[4], id)
  redis.call('DEL', meta)
end
if #ids < tonumber(ARGV[3]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2])
end
return #ids
