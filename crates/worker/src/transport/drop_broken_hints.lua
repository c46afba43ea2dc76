-- Drops ids without data or without the metadata that fetch_next of apalis-redis 1.0.0 insists on.
-- Returns {looked at, dropped}.
--
-- KEYS[1]: list of active task ids   KEYS[2]: hash of task data
-- ARGV[1]: prefix of the metadata hashes   ARGV[2]: first position   ARGV[3]: how many positions
local known = { Pending = true, Queued = true, Running = true, Done = true, Failed = true, Killed = true }
local function number(text)
  return text and #text <= 9 and string.match(text, '^%d+$')
end

local ids = redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[2] + ARGV[3] - 1)
local dropped = 0
for _, id in ipairs(ids) do
  local meta = ARGV[1] .. ':' .. id
  -- `pcall`: a key of another type is just one more way to be broken.
  local fields = redis.pcall('HMGET', meta, 'attempts', 'max_attempts', 'status')
  local whole = not fields.err
    and string.match(id, '^[%w_-]+$')
    and redis.call('HEXISTS', KEYS[2], id) == 1
    and number(fields[1]) and number(fields[2])
    and fields[3] and known[fields[3]]
  if not whole then
    dropped = dropped + redis.call('LREM', KEYS[1], 0, id)
    redis.call('HDEL', KEYS[2], id)
    redis.call('DEL', meta)
  end
end
return {#ids, dropped}
