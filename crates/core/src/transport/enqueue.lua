-- Pushes hints straight onto apalis' active list, never beyond a limit. Atomic, like every script.
--
-- Why not apalis' own batch_push.lua: it puts every task into the scheduled set first. Its fetch unpacks all that is
-- due there at once, which fails for ever from some 8,000 tasks on ("too many results to unpack").
--
-- KEYS[1]: list of active task ids   KEYS[2]: hash of task data   KEYS[3]: signal list
-- ARGV[1]: limit on the list's length   ARGV[2]: how long doubles are damped, in ms   ARGV[3]: wake channel
-- ARGV[4]: prefix of the metadata hashes
-- ARGV[5..]: groups of task id, payload, key that damps doubles
-- Returns {pushed, damped, length of the list}. The groups after the first that finds the list full are not looked at.
local active, data, signal = KEYS[1], KEYS[2], KEYS[3]
local limit = tonumber(ARGV[1])
local length = redis.call('LLEN', active)
local pushed, damped = 0, 0

for i = 5, #ARGV, 3 do
  if length >= limit then
    break
  end
  local task, payload, seen = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('EXISTS', seen) == 1 then
    damped = damped + 1
  else
    redis.call('HSET', data, task, payload)
    -- The first three are what fetch_next of apalis-redis 1.0.0 cannot do without.
    redis.call('HSET', ARGV[4] .. ':' .. task, 'attempts', 0, 'max_attempts', 1, 'status', 'Pending', 'seen', seen)
    length = redis.call('RPUSH', active, task)
    -- Last, so that whatever fails above leaves no key that damps a hint which was not pushed.
    redis.call('SET', seen, '1', 'PX', ARGV[2])
    pushed = pushed + 1
  end
end

if pushed > 0 then
  redis.call('DEL', signal)
  redis.call('LPUSH', signal, 1)
  redis.call('PUBLISH', ARGV[3], pushed)
end
return {pushed, damped, length}
