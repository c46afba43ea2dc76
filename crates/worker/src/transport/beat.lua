-- Says that a process lives, and forgets those that died long ago. Returns the concurrency of all live processes.
--
-- KEYS[1]: sorted set of live processes   KEYS[2]: hash of their concurrency
-- ARGV[1]: process   ARGV[2]: its concurrency   ARGV[3]: silence after which a process is dead, in ms
local processes, concurrency = KEYS[1], KEYS[2]
local dead_after = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', processes, now, ARGV[1])
redis.call('HSET', concurrency, ARGV[1], ARGV[2])

-- Only long after death: `departed_workers.lua` gives a worker whose process is unknown another grace.
for _, process in ipairs(redis.call('ZRANGEBYSCORE', processes, '-inf', now - 10 * dead_after, 'LIMIT', 0, 100)) do
  redis.call('ZREM', processes, process)
  redis.call('HDEL', concurrency, process)
end

local total = 0
for _, process in ipairs(redis.call('ZRANGEBYSCORE', processes, now - dead_after, '+inf', 'LIMIT', 0, 1000)) do
  total = total + (tonumber(redis.call('HGET', concurrency, process) or 0) or 0)
end
return total
