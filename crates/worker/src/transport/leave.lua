-- Says that a process ends in good order.
--
-- KEYS[1]: sorted set of live processes   KEYS[2]: hash of their concurrency
-- ARGV[1]: process
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
