-- What keeps the limiter's state true and small, away from the path of calls. limiter.lua tells the form.
--
-- KEYS as there. ARGV[1] operation, ARGV[2] "" (tests alone set the server's time here), then:
--   raise    (limit, at_least)+     budgets are never lowered; one that was lost serves again from here
--   sweep    now_ms, cursor         forgets what no longer counts; answers with the next cursor, 0 at the end
-- Every number is an integer below 2^53. `now_ms` is the caller's time: a budget's period is forgotten only
-- where both clocks say that it is long over, so that no clock's leap gives a budget back.

local STATE = KEYS[1]
local LARGEST = 9007199254740991
local OVER_MS = 70 * 86400000
local SWEPT_AT_ONCE = 200

local function invalid(what)
  return redis.error_reply("INVALID " .. what)
end

local function whole(text)
  if not text or #text > 16 or not string.match(text, "^%d+$") then
    return nil
  end
  local number = tonumber(text)
  return number <= LARGEST and number or nil
end

local real = ARGV[2] ~= "" and whole(ARGV[2])
if not real then
  local time = redis.call("TIME")
  real = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function raise()
  local changes = {}
  for index = 3, #ARGV, 2 do
    local field, at_least = ARGV[index], whole(ARGV[index + 1])
    if not at_least or not string.match(field, "^B:") then
      return invalid("arguments of raise")
    end
    local text = redis.call("HGET", STATE, field) or "0 0 ?"
    local used, held, doubt = string.match(text, "^(%d+) (%d+) ?(%??)$")
    used = tonumber(used)
    -- What was settled since the loss may not be among the usage rows yet: counting it twice is the safe side.
    used = doubt == "?" and used + at_least or math.max(used, at_least)
    changes[#changes + 1] = field
    changes[#changes + 1] = string.format("%d %s", math.min(LARGEST, used), held)
  end
  if #changes == 0 then
    return invalid("arguments of raise")
  end
  redis.call("HSET", STATE, unpack(changes))
  return "1"
end

local function counts_nothing(field, text, now, caller)
  local kind = string.sub(field, 1, 1)
  if kind == "B" then
    local starts = tonumber(string.match(field, ":(%d+)$"))
    return string.match(text, "^%d+ 0") and starts * 1000 + OVER_MS < math.min(real, caller)
  end
  local used, held, at, rate = string.match(text, "^(%d+) (%d+) (%d+) (%d+)$")
  return held == "0" and tonumber(used) <= (now - tonumber(at)) * tonumber(rate)
end

local function sweep()
  local caller, cursor = whole(ARGV[3]), ARGV[4]
  if not caller or not cursor or not string.match(cursor, "^%d+$") then
    return invalid("arguments of sweep")
  end
  local last, offset = string.match(redis.call("HGET", STATE, "clock") or "0 0", "^(%d+) (%d+)$")
  local now = math.max(real + tonumber(offset), tonumber(last))
  local found = redis.call("HSCAN", STATE, cursor, "COUNT", SWEPT_AT_ONCE)
  local forgotten = {}
  for index = 1, #found[2], 2 do
    local field = found[2][index]
    if field ~= "clock" and counts_nothing(field, found[2][index + 1], now, caller) then
      forgotten[#forgotten + 1] = field
    end
  end
  for first = 1, #forgotten, 1000 do
    redis.call("HDEL", STATE, unpack(forgotten, first, math.min(first + 999, #forgotten)))
  end
  return found[1]
end

if ARGV[1] == "raise" then
  return raise()
elseif ARGV[1] == "sweep" then
  return sweep()
end
return invalid("operation")
