-- Finds apalis workers that no process runs any more. Returns their names, at most 100.
--
-- KEYS[1]: sorted set of registered apalis workers   KEYS[2]: sorted set of live processes
-- ARGV[1]: own process   ARGV[2]: its current worker   ARGV[3]: silence after which a process is dead, in ms
local workers, processes = KEYS[1], KEYS[2]
local own_process, own_worker, dead_after = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = {}
for _, worker in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  local process = string.match(worker, '^(.*)#') or worker
  local departed
  if process == own_process then
    departed = worker ~= own_worker
  else
    local score = redis.call('ZSCORE', processes, process)
    if score then
      departed = now - tonumber(score) > dead_after
    else
      redis.call('ZADD', processes, now, process)
    end
  end
  if departed then
    gone[#gone + 1] = worker
    if #gone == 100 then
      break
    end
  end
end
return gone
