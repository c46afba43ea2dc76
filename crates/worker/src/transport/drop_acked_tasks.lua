-- Removes ids from a set, with their data and metadata. Returns how many were removed.
--
-- In one step, because handle_results of apalis-redis 1.0.0 writes the metadata of an acked task once more, together
-- with its entry in the set.
--
-- KEYS[1]: set or sorted set of task ids   KEYS[2]: hash of task data
-- ARGV[1]: prefix of the metadata hashes   ARGV[2]: the most ids to remove
-- ARGV[3]: for how much longer their doubles are damped, in ms
local kind = redis.call('TYPE', KEYS[1]).ok
local ids = {}
if kind == 'set' then
  ids = redis.call('SPOP', KEYS[1], ARGV[2])
elseif kind == 'zset' then
  local popped = redis.call('ZPOPMIN', KEYS[1], ARGV[2])
  for i = 1, #popped, 2 do
    ids[#ids + 1] = popped[i]
  end
end
for _, id in ipairs(ids) do
  local meta = ARGV[1] .. ':' .. id
  local seen = redis.pcall('HGET', meta, 'seen')
  if type(seen) == 'string' then
    redis.call('PEXPIRE', seen, ARGV[3])
  end
  redis.call('HDEL', KEYS[2], id)
  redis.call('DEL', meta)
end
return #ids
