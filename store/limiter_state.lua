-- The limiter's state: its form, its clock, and how a counter is read, used and written. This text is sent
-- before that of limiter.lua and of limiter_upkeep.lua (store/limiter_script.py).
--
-- KEYS[1] state     hash  counter -> its text, below; "clock" -> "last offset" (milliseconds)
-- KEYS[2] leases    zset  reservation -> when it falls due (milliseconds, logical time)
-- KEYS[3] holdings  hash  reservation -> "live|expired tokens cost limits", or "ended"
-- All three carry the tenant's hash tag, so that they stand in one slot of a cluster.
--
-- ARGV[1] operation, ARGV[2] "" (tests alone set the server's time here), the rest as each script says.
--
-- A limit is [kind, counter, amount, ...]. A counter's name begins with its kind, and never says an amount:
-- what was used outlives every change of the limit. Every number is an integer below 2^53.
--
--   R requests/min, T tokens/min   ..., burst                          "used held at rate"
--   C calls at once                ...                                 "0 held at 0"
--   B micro-dollars, N tokens      ..., starts_ms, ends_ms, percent*   "used held told", or "used held told ?"
--     in a calendar period
--   b, n the same in a rolling     ..., slice_ms, slices, percent*     "used held told slice fresh told_in",
--     window                                                           and a "?" likewise; "past NAME" has
--                                                                      the other slices: "slice:used ..."
--
-- A rate is GCRA kept as a leaking level, so that it is exact in integers and does not depend on the amount:
-- one request or token is 60,000 units and `rate` units leak each millisecond. What is held does not leak.
-- A window is not trusted before it was raised to what PostgreSQL knows: "?" while it is not. `told` is the
-- highest threshold, in percent, that somebody was told of in this period.
-- A rolling window is the current slice and `slices` before it, thus up to one slice longer than it says:
-- at no moment has it admitted more than its amount.

local STATE, LEASES, HOLDINGS = KEYS[1], KEYS[2], KEYS[3]
local LARGEST = 9007199254740991
local UNIT = 60000
local PAST = "past "

-- What a kind holds and uses of a call: its tokens or its cost. Rates count by UNIT, windows one by one.
local HOLDS = { T = "tokens", N = "tokens", n = "tokens", B = "cost", b = "cost" }
local IS_RATE = { R = true, T = true }
local IS_CALENDAR = { B = true, N = true }
local IS_ROLLING = { b = true, n = true }
local IS_KIND = { R = true, T = true, C = true, B = true, N = true, b = true, n = true }

local function invalid(what)
  return redis.error_reply("INVALID " .. what)
end

local function whole(text, largest)
  if not text or #text > 16 or not string.match(text, "^%d+$") then
    return nil
  end
  local number = tonumber(text)
  return number <= (largest or LARGEST) and number or nil
end

-- Logical time never goes back: when the server's clock does, its offset grows by as much.
local real, now, offset
do
  if ARGV[2] ~= "" then
    real = whole(ARGV[2])
    if not real then
      return invalid("clock")
    end
  else
    local time = redis.call("TIME")
    real = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local last, before = string.match(redis.call("HGET", STATE, "clock") or "0 0", "^(%d+) (%d+)$")
  last, offset = tonumber(last), tonumber(before)
  now = real + offset
  if now < last then
    offset, now = offset + last - now, last
  end
end

-- Called by each operation once its arguments are known to be good: the first write.
local function keep_time()
  redis.call("HSET", STATE, "clock", string.format("%d %d", now, offset))
end

local function rate_of(limit)
  return IS_RATE[limit[1]] and limit[3] or 0
end

-- With the leak applied up to now.
local function read_rate(limit, text)
  local used, held, at, rate = string.match(text or "", "^(%d+) (%d+) (%d+) (%d+)$")
  if not used then
    return { used = 0, held = 0, rate = rate_of(limit) }
  end
  used, rate = tonumber(used), tonumber(rate)
  local leaked = (now - tonumber(at)) * rate
  return { used = leaked < used and used - leaked or 0, held = tonumber(held), rate = rate }
end

local function read_calendar(text)
  local used, held, told, doubt = string.match(text or "", "^(%d+) (%d+) (%d+) ?(%??)$")
  if not used then
    return { used = 0, held = 0, told = 0, unready = true }
  end
  return { used = tonumber(used), held = tonumber(held), told = tonumber(told), unready = doubt == "?" }
end

-- Moves a rolling counter on to the current slice, and takes off what has left the window: once a slice.
local function advance(limit, counter)
  local current = math.floor(now / limit[4])
  if counter.slice >= current then
    return
  end
  local kept = {}
  local function keep(slice, amount)
    if slice >= current - limit[5] then
      kept[#kept + 1] = string.format("%d:%d", slice, amount)
    else
      counter.used = counter.used - amount
    end
  end
  for slice, amount in string.gmatch(redis.call("HGET", STATE, PAST .. limit[2]) or "", "(%d+):(%d+)") do
    keep(tonumber(slice), tonumber(amount))
  end
  if counter.fresh > 0 then
    keep(counter.slice, counter.fresh)
  end
  counter.slice, counter.fresh, counter.past = current, 0, table.concat(kept, " ")
end

local function read_rolling(limit, text)
  local form = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%??)$"
  local used, held, told, slice, fresh, told_in, doubt = string.match(text or "", form)
  if not used then
    local current = math.floor(now / limit[4])
    return { used = 0, held = 0, told = 0, slice = current, fresh = 0, told_in = 0, past = "", unready = true }
  end
  local counter = {
    used = tonumber(used), held = tonumber(held), told = tonumber(told), slice = tonumber(slice),
    fresh = tonumber(fresh), told_in = tonumber(told_in), unready = doubt == "?",
  }
  advance(limit, counter)
  return counter
end

local function read_counter(limit, text)
  if IS_CALENDAR[limit[1]] then
    return read_calendar(text)
  elseif IS_ROLLING[limit[1]] then
    return read_rolling(limit, text)
  end
  return read_rate(limit, text)
end

-- The counter of each limit, in order; one read whatever their number.
local function read_counters(limits)
  if #limits == 0 then
    return {}
  end
  local names = {}
  for index = 1, #limits do
    names[index] = limits[index][2]
  end
  local texts = redis.call("HMGET", STATE, unpack(names))
  local counters = {}
  for index = 1, #limits do
    counters[index] = read_counter(limits[index], texts[index])
  end
  return counters
end

local function text_of(counter)
  if counter.rate then
    return string.format("%d %d %d %d", counter.used, counter.held, now, counter.rate)
  end
  local text = string.format("%d %d %d", counter.used, counter.held, counter.told)
  if counter.slice then
    text = text .. string.format(" %d %d %d", counter.slice, counter.fresh, counter.told_in)
  end
  return counter.unready and text .. " ?" or text
end

local function write_counters(limits, counters)
  local changes = {}
  for index = 1, #limits do
    local name, counter = limits[index][2], counters[index]
    changes[#changes + 1] = name
    changes[#changes + 1] = text_of(counter)
    if counter.past then
      changes[#changes + 1] = PAST .. name
      changes[#changes + 1] = counter.past
    end
  end
  if #changes > 0 then
    redis.call("HSET", STATE, unpack(changes))
  end
end
