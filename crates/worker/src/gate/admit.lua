-- Lets a call to a target through, or says how long to wait: the generic cell rate algorithm (ITU-T I.371), and a bound
-- on the calls in flight. Atomic, like every script; the time is Redis' own, so that machines' clocks do not matter.
--
-- KEYS[1]: theoretical arrival time of the next call, in microseconds
-- KEYS[2]: calls in flight, scored by when they end
-- ARGV[1]: microseconds between calls, 0 for no limit   ARGV[2]: burst
-- ARGV[3]: most calls in flight, 0 for no limit   ARGV[4]: name of this call   ARGV[5]: how long it may take, in ms
-- Returns {microseconds to wait, or 0 to go ahead, or -1 when too many are in flight, microseconds from now to the next
-- theoretical arrival time}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local most = tonumber(ARGV[3])

if most > 0 then
  -- A process that died does not count for longer than its calls could take.
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', math.floor(now / 1000))
  if redis.call('ZCARD', KEYS[2]) >= most then
    return {-1, 0}
  end
end

local tat = now
if interval > 0 then
  tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
  local early = tat + interval - now - burst * interval
  if early > 0 then
    return {math.ceil(early), tat - now}
  end
  tat = tat + interval
  -- As an integer: a large number would be written with an exponent.
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end

if most > 0 then
  redis.call('ZADD', KEYS[2], math.floor(now / 1000) + tonumber(ARGV[5]), ARGV[4])
  redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[5]) + 60000)
end
return {0, tat - now}
