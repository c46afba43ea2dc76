-- KEYS[1]: sorted set of live processes   KEYS[2]: hash of their concurrency
-- ARGV[1]: process   ARGV[2]: its concurrency   ARGV[3]: silence after which a process is dead, in ms
-- Returns the concurrency of all live processes.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])

-- Forgotten only long after death: `departed.lua` gives a worker whose process is unknown another grace.
for _, process in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - 10 * ARGV[3], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], process)
  redis.call('HDEL', KEYS[2], process)
end

local total = 0
for _, process in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[3], '+inf', 'LIMIT', 0, 1000)) do
  total = total + (tonumber(redis.call('HGET', KEYS[2], process) or 0) or 0)
end
return total
