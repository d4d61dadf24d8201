-- Every limit of a call, decided and counted in one atomic step. store/limiter.py is the only caller, and
-- limiter_state.lua, which tells the form of everything here, stands before this text.
--
-- ARGV, after the two that it tells of:
--   reserve, top_up   id, lease_ms, tokens, cost, limits    tokens and cost are totals, never increments
--   settle            (id, tokens, cost, limits)+           limits count only where the holding was lost
--   reap              (none)
--
-- limits is JSON. The answer is one text of integers, because a client reads that faster than an array.

local LARGEST_RATE = 100000000000
local LIMITS_AT_ONCE = 256
local SLICES_AT_MOST = 1000
local ENDED_FOR_MS = 600000
local EXPIRED_FOR_MS = 3600000
local REAPED_AT_ONCE = 64

local REFUSED, GRANTED, ENDED, UNPREPARED, OTHER_PERIOD = 0, 1, 2, 3, 4

local function is_whole(value, largest)
  return type(value) == "number" and value >= 0 and value <= largest and value % 1 == 0
end

local function is_window(limit)
  if not (is_whole(limit[3], LARGEST) and is_whole(limit[4], LARGEST) and is_whole(limit[5], LARGEST)) then
    return false
  end
  if IS_ROLLING[limit[1]] and (limit[4] == 0 or limit[5] == 0 or limit[5] > SLICES_AT_MOST) then
    return false
  end
  for index = 6, #limit do
    if not is_whole(limit[index], 100) then
      return false
    end
  end
  return true
end

local function is_limit(limit)
  if type(limit) ~= "table" or type(limit[2]) ~= "string" or not IS_KIND[limit[1]] then
    return false
  end
  local kind = limit[1]
  if string.sub(limit[2], 1, 1) ~= kind then
    return false
  elseif IS_CALENDAR[kind] or IS_ROLLING[kind] then
    return is_window(limit)
  end
  return is_whole(limit[3], LARGEST_RATE) and (not IS_RATE[kind] or is_whole(limit[4], LARGEST_RATE))
end

-- The limits of a call, or nil when any part of them is not what limiter_state.lua says.
local function read_limits(text)
  local readable, limits = pcall(cjson.decode, text)
  if not readable or type(limits) ~= "table" or #limits > LIMITS_AT_ONCE then
    return nil
  end
  local seen = {}
  for index = 1, #limits do
    local limit = limits[index]
    if not is_limit(limit) or seen[limit[2]] then
      return nil
    end
    seen[limit[2]] = true
  end
  return limits
end

local function read_holding(id)
  local text = redis.call("HGET", HOLDINGS, id)
  if not text then
    return nil
  end
  if text == "ended" then
    return { status = "ended" }
  end
  local status, tokens, cost, limits = string.match(text, "^(%a+) (%d+) (%d+) (.*)$")
  return { status = status, tokens = tonumber(tokens), cost = tonumber(cost), limits = limits }
end

local function write_holding(id, due, holding)
  redis.call("ZADD", LEASES, string.format("%d", due), id)
  if holding.status == "ended" then
    redis.call("HSET", HOLDINGS, id, "ended")
  else
    local text = string.format("%s %d %d ", holding.status, holding.tokens, holding.cost)
    redis.call("HSET", HOLDINGS, id, text .. holding.limits)
  end
end

-- `call` has tokens and cost: one that asks, or its holding.
local function held_by(kind, call)
  return HOLDS[kind] and call[HOLDS[kind]] or (kind == "C" and 1 or 0)
end

-- Takes back what a live holding held; an expired one holds nothing any more.
local function give_back(holding, limits, counters)
  if holding.status ~= "live" then
    return
  end
  for index = 1, #limits do
    local counter = counters[index]
    counter.held = math.max(0, counter.held - held_by(limits[index][1], holding))
  end
end

local function reap()
  local due = redis.call("ZRANGEBYSCORE", LEASES, "-inf", string.format("%d", now), "LIMIT", 0, REAPED_AT_ONCE)
  local returned = 0
  for index = 1, #due do
    local id = due[index]
    local holding = read_holding(id)
    if holding and holding.status == "live" then
      local limits = cjson.decode(holding.limits)
      local counters = read_counters(limits)
      give_back(holding, limits, counters)
      write_counters(limits, counters)
      holding.status = "expired"
      write_holding(id, now + EXPIRED_FOR_MS, holding)
      returned = returned + 1
    else
      redis.call("ZREM", LEASES, id)
      redis.call("HDEL", HOLDINGS, id)
    end
  end
  return returned
end

-- What a rate admits at once. One that refills nothing admits nothing.
local function burst_of(limit)
  return limit[3] > 0 and limit[4] or 0
end

-- What a limit would gain: units used at once, and units held.
local function demand_of(limit, call)
  if limit[1] == "R" then
    return call.first and UNIT or 0, 0
  end
  local already = call.live and held_by(limit[1], call.live) or 0
  return 0, held_by(limit[1], call) - already
end

-- When a rolling window will have lost `excess` of what was used: its oldest slices leave first.
local function leaves_in(limit, counter, excess)
  local last = counter.slice
  for slice, amount in string.gmatch(counter.past or redis.call("HGET", STATE, PAST .. limit[2]) or "", "(%d+):(%d+)") do
    excess = excess - tonumber(amount)
    if excess <= 0 then
      last = tonumber(slice)
      break
    end
  end
  return (last + limit[5] + 1) * limit[4] - now
end

local function window_frees_in(limit, counter)
  local amount, asked = limit[3], counter.holds
  if asked > amount then
    return -1
  elseif asked <= amount - counter.used then
    return 1000 -- others may give back what they hold
  elseif IS_ROLLING[limit[1]] then
    return math.max(1000, leaves_in(limit, counter, counter.used - (amount - asked)))
  end
  return math.max(1000, limit[5] - real)
end

local function rate_frees_in(limit, counter)
  local amount, burst = limit[3], burst_of(limit) * UNIT
  local asked = limit[1] == "R" and counter.uses or counter.holds * UNIT
  if amount == 0 or asked > burst then
    return -1
  end
  local excess = counter.used + counter.held * UNIT + asked - burst
  return math.max(1, math.ceil(math.min(excess, counter.used) / amount))
end

-- Milliseconds until a refused demand may fit; -1 when it never can.
local function frees_in(limit, counter)
  if limit[1] == "C" then
    return limit[3] == 0 and -1 or 1000
  elseif IS_RATE[limit[1]] then
    return rate_frees_in(limit, counter)
  end
  return window_frees_in(limit, counter)
end

local function fits(limit, counter, first)
  local uses, holds = counter.uses, counter.holds
  if uses == 0 and holds == 0 and not first then
    return true
  end
  if IS_RATE[limit[1]] then
    return counter.used + uses + (counter.held + holds) * UNIT <= burst_of(limit) * UNIT
  end
  return holds <= limit[3] - counter.used - counter.held
end

-- The tightest limit of each rate, for headers: amount, remaining, milliseconds until it is whole again.
local function answer(code, first, second, limits, counters)
  local found = { R = { -1, 0, 0 }, T = { -1, 0, 0 } }
  for index = 1, #limits do
    local limit, counter = limits[index], counters[index]
    local tightest = found[limit[1]]
    if tightest then
      local amount = limit[3]
      local left = math.max(0, math.floor((burst_of(limit) * UNIT - counter.used) / UNIT) - counter.held)
      if tightest[1] < 0 or left < tightest[2] then
        tightest[1], tightest[2] = amount, left
        tightest[3] = amount > 0 and math.ceil(counter.used / amount) or 0
      end
    end
  end
  local requests, tokens = found.R, found.T
  return string.format(
    "%d %d %d %d %d %d %d %d %d",
    code, first, second, requests[1], requests[2], requests[3], tokens[1], tokens[2], tokens[3]
  )
end

local function not_ready(call, limits, counters)
  for index = 1, #limits do
    local limit = limits[index]
    if call.first and IS_CALENDAR[limit[1]] and (real < limit[4] or real >= limit[5]) then
      return string.format("%d %d", OTHER_PERIOD, real)
    end
    if counters[index].unready then
      return string.format("%d %d", UNPREPARED, index)
    end
  end
end

-- A changed limit leaks at its new rate from the first call that brings it; whether there was one.
local function adopt_rates(limits, counters)
  local changed = false
  for index = 1, #limits do
    local counter, rate = counters[index], rate_of(limits[index])
    if counter.rate and counter.rate ~= rate then
      counter.rate, changed = rate, true
    end
  end
  return changed
end

-- The first limit that refuses the call, of which nothing is counted then; nil when all of it is.
local function count(call, limits, counters)
  for index = 1, #limits do
    local limit, counter = limits[index], counters[index]
    counter.uses, counter.holds = demand_of(limit, call)
    if not fits(limit, counter, call.first) then
      return index
    end
  end
  for index = 1, #limits do
    local counter = counters[index]
    counter.used, counter.held = counter.used + counter.uses, counter.held + counter.holds
  end
end

local function hold(operation, id, lease, asked, limits, limits_text)
  local holding = read_holding(id)
  if holding and holding.status == "ended" then
    return string.format("%d 0", ENDED)
  end
  local live = holding and holding.status == "live" and holding
  if holding then
    limits, limits_text = cjson.decode(holding.limits), holding.limits
    asked.tokens, asked.cost = math.max(asked.tokens, holding.tokens), math.max(asked.cost, holding.cost)
  end
  local counters = read_counters(limits)
  if operation == "reserve" and live then
    return answer(GRANTED, live.tokens, live.cost, limits, counters)
  end
  local call = { first = operation == "reserve" and not holding, live = live, tokens = asked.tokens, cost = asked.cost }
  local not_yet = not_ready(call, limits, counters)
  if not_yet then
    return not_yet
  end
  local changed = call.first and adopt_rates(limits, counters)
  local refusing = count(call, limits, counters)
  if refusing then
    if changed then
      write_counters(limits, counters)
    end
    return answer(REFUSED, refusing, frees_in(limits[refusing], counters[refusing]), limits, counters)
  end
  write_counters(limits, counters)
  write_holding(id, now + lease, { status = "live", tokens = call.tokens, cost = call.cost, limits = limits_text })
  return answer(GRANTED, call.tokens, call.cost, limits, counters)
end

-- `percent` of `amount`, rounded up, by steps that stay below 2^53; never 0, so that nothing used reaches none.
local function share(amount, percent)
  local hundreds = math.floor(amount / 100)
  return math.max(1, hundreds * percent + math.ceil((amount - hundreds * 100) * percent / 100))
end

-- Adds to `crossed` each threshold that a window has reached and nobody was told of in this period: the
-- place of the limit in the caller's list, the percent, the period (its start in seconds; of a rolling
-- window, how many of its length have passed).
local function tell(limit, counter, place, crossed)
  local period = limit[4] / 1000
  if counter.slice then
    period = math.floor(counter.slice / limit[5])
    if counter.told_in ~= period then
      counter.told, counter.told_in = 0, period
    end
  end
  local before = counter.told
  for index = 6, #limit do
    local percent = limit[index]
    if percent > before and counter.used >= share(limit[3], percent) then
      crossed[#crossed + 1] = string.format(" %d %d %d", place, percent, period)
      counter.told = math.max(counter.told, percent)
    end
  end
end

local function use(limit, counter, call)
  local what = HOLDS[limit[1]]
  if not what then
    return
  end
  local gained = IS_RATE[limit[1]] and call[what] * UNIT or call[what]
  gained = math.min(gained, LARGEST - counter.used)
  counter.used = counter.used + gained
  if counter.slice then
    counter.fresh = counter.fresh + gained
  end
end

-- Where each counter stands in the caller's list; nil where that is the list that the holding was made with.
local function places(text, limits_text)
  if text == limits_text then
    return nil
  end
  local found = {}
  for index, limit in ipairs(cjson.decode(text)) do
    found[limit[2]] = index
  end
  return found
end

-- Ends one reservation with the truth: what was used counts even beyond what was held. The answer is the
-- tokens and micro-dollars beyond, how many thresholds were crossed, and which.
local function settle(id, call, text)
  local holding = read_holding(id)
  if holding and holding.status == "ended" then
    return "0 0 0"
  end
  local limits_text = holding and holding.limits or text
  local limits = cjson.decode(limits_text)
  local counters = read_counters(limits)
  if holding then
    give_back(holding, limits, counters)
  end
  local place_of, crossed = places(text, limits_text), {}
  for index = 1, #limits do
    local limit, counter = limits[index], counters[index]
    use(limit, counter, call)
    local place = index
    if place_of then
      place = place_of[limit[2]]
    end
    if place and counter.told and not counter.unready then
      tell(limit, counter, place, crossed)
    end
  end
  write_counters(limits, counters)
  write_holding(id, now + ENDED_FOR_MS, { status = "ended" })
  local tokens, cost = call.tokens - (holding and holding.tokens or 0), call.cost - (holding and holding.cost or 0)
  return string.format("%d %d %d", math.max(0, tokens), math.max(0, cost), #crossed) .. table.concat(crossed)
end

local operation = ARGV[1]

if operation == "reserve" or operation == "top_up" then
  local id, lease = ARGV[3], whole(ARGV[4], 86400000)
  local tokens, cost = whole(ARGV[5], LARGEST_RATE), whole(ARGV[6])
  local limits = ARGV[7] and read_limits(ARGV[7])
  if not (id and #id > 0 and lease and lease > 0 and tokens and cost and limits) then
    return invalid("arguments of " .. operation)
  end
  keep_time()
  reap()
  return hold(operation, id, lease, { tokens = tokens, cost = cost }, limits, ARGV[7])
elseif operation == "settle" then
  local ended = {}
  for index = 3, #ARGV, 4 do
    local tokens, cost = whole(ARGV[index + 1], LARGEST_RATE), whole(ARGV[index + 2])
    if not (#ARGV[index] > 0 and tokens and cost and ARGV[index + 3] and read_limits(ARGV[index + 3])) then
      return invalid("arguments of settle")
    end
    ended[#ended + 1] = { ARGV[index], { tokens = tokens, cost = cost }, ARGV[index + 3] }
  end
  keep_time()
  for index = 1, #ended do
    ended[index] = settle(unpack(ended[index]))
  end
  return table.concat(ended, " ")
elseif operation == "reap" then
  keep_time()
  return string.format("%d %d", GRANTED, reap())
end
return invalid("operation")
