-- KEYS[1]: sorted set of registered apalis workers   KEYS[2]: sorted set of live processes
-- ARGV[1]: own process   ARGV[2]: its current worker   ARGV[3]: silence after which a process is dead, in ms
-- Returns names of workers that nobody runs any more, at most 100.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = {}
for _, worker in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local process = string.match(worker, '^(.*)#') or worker
  local departed
  if process == ARGV[1] then
    departed = worker ~= ARGV[2]
  else
    local score = redis.call('ZSCORE', KEYS[2], process)
    if score then
      departed = now - tonumber(score) > tonumber(ARGV[3])
    else
      redis.call('ZADD', KEYS[2], now, process)
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
