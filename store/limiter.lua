-- Every limit of a call, decided and counted in one atomic step. store/limiter.py is the only caller;
-- limiter_upkeep.lua restores and sweeps the same state.
--
-- KEYS[1] state     hash  limit -> "used held at rate"; field "clock" -> "last offset" (milliseconds)
-- KEYS[2] leases    zset  reservation -> when it falls due (milliseconds, logical time)
-- KEYS[3] holdings  hash  reservation -> "live|expired tokens cost limits", or "ended"
-- All three carry the tenant's hash tag, so that they stand in one slot of a cluster.
--
-- ARGV[1] operation, ARGV[2] "" (tests alone set the server's time here), then per operation:
--   reserve, top_up   id, lease_ms, tokens, cost, limits    tokens and cost are totals, never increments
--   settle            (id, tokens, cost, limits)+           limits count only where the holding was lost
--   reap              (none)
--
-- limits is JSON: [[kind, state field, amount, starts_ms, ends_ms], ...], the last two for budgets.
-- The answer is one text of integers, because a client reads that faster than an array.
-- Kinds: R requests/min, T tokens/min, C concurrent, B budget. A rate is GCRA kept as a leaking level, so
-- that it is exact in integers and does not depend on the amount: one request or token is 60,000 units and
-- `rate` units leak each millisecond. What is held does not leak. Every number is an integer below 2^53.

local STATE, LEASES, HOLDINGS = KEYS[1], KEYS[2], KEYS[3]
local LARGEST = 9007199254740991
local UNIT = 60000
local LARGEST_RATE = 100000000000
local ENDED_FOR_MS = 600000
local EXPIRED_FOR_MS = 3600000
local REAPED_AT_ONCE = 64
local KINDS = { R = string.byte("R"), T = string.byte("T"), C = string.byte("C"), B = string.byte("B") }

local REFUSED, GRANTED, ENDED, UNPREPARED, OTHER_PERIOD = 0, 1, 2, 3, 4

local function invalid(what)
  return redis.error_reply("INVALID " .. what)
end

local function whole(text, largest)
  if not text or #text > 16 or not string.match(text, "^%d+$") then
    return nil
  end
  local number = tonumber(text)
  return number <= largest and number or nil
end

local function is_whole(value, largest)
  return type(value) == "number" and value >= 0 and value <= largest and value % 1 == 0
end

-- The limits of a call, or nil when any part of them is not what this file's head says.
local function read_limits(text)
  local readable, limits = pcall(cjson.decode, text)
  if not readable or type(limits) ~= "table" or #limits > 64 then
    return nil
  end
  local seen = {}
  for index = 1, #limits do
    local limit = limits[index]
    if type(limit) ~= "table" or type(limit[2]) ~= "string" or seen[limit[2]] then
      return nil
    end
    seen[limit[2]] = true
    local kind = limit[1]
    if not KINDS[kind] or string.byte(limit[2]) ~= KINDS[kind] then
      return nil
    end
    if kind == "B" then
      if not (is_whole(limit[3], LARGEST) and is_whole(limit[4], LARGEST) and is_whole(limit[5], LARGEST)) then
        return nil
      end
    elseif not is_whole(limit[3], LARGEST_RATE) then
      return nil
    end
  end
  return limits
end

-- Logical time never goes back: when the server's clock does, its offset grows by as much.
local real, now, offset
do
  if ARGV[2] ~= "" then
    real = whole(ARGV[2], LARGEST)
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

-- One limit's state with the leak applied up to now. A budget neither leaks nor is trusted before it was
-- raised to what PostgreSQL knows: its text is "used held", with a "?" while it is not.
local function read_state(field, text, rate)
  if string.byte(field) == KINDS.B then
    local used, held, doubt = string.match(text or "0 0 ?", "^(%d+) (%d+) ?(%??)$")
    return { used = tonumber(used), held = tonumber(held), unready = doubt == "?" }
  end
  local used, held, at, stored = string.match(text or "0 0 0 0", "^(%d+) (%d+) (%d+) (%d+)$")
  used, held, stored = tonumber(used), tonumber(held), tonumber(stored)
  local leaked = (now - tonumber(at)) * stored
  return { used = leaked < used and used - leaked or 0, held = held, rate = text and stored or rate }
end

local function write_state(state)
  if state.rate then
    return string.format("%d %d %d %d", state.used, state.held, now, state.rate)
  end
  return string.format(state.unready and "%d %d ?" or "%d %d", state.used, state.held)
end

local function rate_of(limit)
  return (limit[1] == "R" or limit[1] == "T") and limit[3] or 0
end

-- The state of each limit, in order; one read whatever their number.
local function read_states(limits)
  if #limits == 0 then
    return {}
  end
  local fields = {}
  for index = 1, #limits do
    fields[index] = limits[index][2]
  end
  local texts = redis.call("HMGET", STATE, unpack(fields))
  local states = {}
  for index = 1, #limits do
    states[index] = read_state(fields[index], texts[index], rate_of(limits[index]))
  end
  return states
end

local function write_states(limits, states)
  local changes = {}
  for index = 1, #limits do
    changes[#changes + 1] = limits[index][2]
    changes[#changes + 1] = write_state(states[index])
  end
  if #changes > 0 then
    redis.call("HSET", STATE, unpack(changes))
  end
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

local function held_by(kind, tokens, cost)
  if kind == "T" then
    return tokens
  elseif kind == "B" then
    return cost
  end
  return kind == "C" and 1 or 0
end

-- Takes back what a live holding held; an expired one holds nothing any more.
local function give_back(holding, limits, states)
  if holding.status ~= "live" then
    return
  end
  for index = 1, #limits do
    local state = states[index]
    state.held = math.max(0, state.held - held_by(limits[index][1], holding.tokens, holding.cost))
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
      local states = read_states(limits)
      give_back(holding, limits, states)
      write_states(limits, states)
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

-- What a limit would gain: units used at once, and units held.
local function demand_of(limit, call)
  if limit[1] == "R" then
    return call.first and UNIT or 0, 0
  end
  local fresh = held_by(limit[1], call.tokens, call.cost)
  local already = call.live and held_by(limit[1], call.live.tokens, call.live.cost) or 0
  return 0, fresh - already
end

-- Milliseconds until a refused demand may fit; -1 when it never can.
local function frees_in(limit, state)
  local kind, amount, used, held = limit[1], limit[3], state.uses, state.holds
  if kind == "C" then
    return amount == 0 and -1 or 1000
  elseif kind == "B" then
    if held > amount then
      return -1
    end
    return held > amount - state.used and math.max(1000, limit[5] - real) or 1000
  end
  local asked = kind == "R" and used or held * UNIT
  if amount == 0 or asked > amount * UNIT then
    return -1
  end
  local excess = state.used + state.held * UNIT + asked - amount * UNIT
  return math.max(1, math.ceil(math.min(excess, state.used) / amount))
end

local function fits(limit, state, first)
  local used, held = state.uses, state.holds
  if used == 0 and held == 0 and not first then
    return true
  end
  local kind, amount = limit[1], limit[3]
  if kind == "R" or kind == "T" then
    return state.used + used + (state.held + held) * UNIT <= amount * UNIT
  end
  return held <= amount - state.used - state.held
end

-- The tightest limit of each rate, for headers: amount, remaining, milliseconds until it is whole again.
local function answer(code, first, second, limits, states)
  local found = { R = { -1, 0, 0 }, T = { -1, 0, 0 } }
  for index = 1, #limits do
    local limit, state = limits[index], states[index]
    local tightest, amount = found[limit[1]], limit[3]
    if tightest then
      local left = math.max(0, math.floor((amount * UNIT - state.used) / UNIT) - state.held)
      if tightest[1] < 0 or left < tightest[2] then
        tightest[1], tightest[2] = amount, left
        tightest[3] = amount > 0 and math.ceil(state.used / amount) or 0
      end
    end
  end
  local requests, tokens = found.R, found.T
  return string.format(
    "%d %d %d %d %d %d %d %d %d",
    code, first, second, requests[1], requests[2], requests[3], tokens[1], tokens[2], tokens[3]
  )
end

local function unready(call, limits, states)
  for index = 1, #limits do
    local limit = limits[index]
    if limit[1] == "B" then
      if call.first and (real < limit[4] or real >= limit[5]) then
        return string.format("%d %d", OTHER_PERIOD, real)
      end
      if states[index].unready then
        return string.format("%d %d", UNPREPARED, index)
      end
    end
  end
end

-- A changed limit leaks at its new rate from the first call that brings it; whether there was one.
local function adopt_rates(limits, states)
  local changed = false
  for index = 1, #limits do
    local state, rate = states[index], rate_of(limits[index])
    if state.rate and state.rate ~= rate then
      state.rate, changed = rate, true
    end
  end
  return changed
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
  local states = read_states(limits)
  if operation == "reserve" and live then
    return answer(GRANTED, live.tokens, live.cost, limits, states)
  end
  local call = { first = operation == "reserve" and not holding, live = live, tokens = asked.tokens, cost = asked.cost }
  local not_yet = unready(call, limits, states)
  if not_yet then
    return not_yet
  end
  local changed = call.first and adopt_rates(limits, states)
  for index = 1, #limits do
    local limit, state = limits[index], states[index]
    state.uses, state.holds = demand_of(limit, call)
    if not fits(limit, state, call.first) then
      if changed then
        write_states(limits, states)
      end
      return answer(REFUSED, index, frees_in(limit, state), limits, states)
    end
  end
  for index = 1, #limits do
    local state = states[index]
    state.used, state.held = state.used + state.uses, state.held + state.holds
  end
  write_states(limits, states)
  write_holding(id, now + lease, { status = "live", tokens = call.tokens, cost = call.cost, limits = limits_text })
  return answer(GRANTED, call.tokens, call.cost, limits, states)
end

-- Ends one reservation with the truth: what was used counts even beyond what was held. The answer is the
-- tokens and micro-dollars beyond.
local function settle(id, tokens, cost, limits_text)
  local holding = read_holding(id)
  if holding and holding.status == "ended" then
    return "0 0"
  end
  local limits = cjson.decode(holding and holding.limits or limits_text)
  local states = read_states(limits)
  if holding then
    give_back(holding, limits, states)
  end
  for index = 1, #limits do
    local kind, state = limits[index][1], states[index]
    local gained = kind == "T" and tokens * UNIT or kind == "B" and cost or 0
    state.used = math.min(LARGEST, state.used + gained)
  end
  write_states(limits, states)
  write_holding(id, now + ENDED_FOR_MS, { status = "ended" })
  local held_tokens, held_cost = holding and holding.tokens or 0, holding and holding.cost or 0
  return string.format("%d %d", math.max(0, tokens - held_tokens), math.max(0, cost - held_cost))
end

local operation = ARGV[1]

if operation == "reserve" or operation == "top_up" then
  local id, lease = ARGV[3], whole(ARGV[4], 86400000)
  local tokens, cost = whole(ARGV[5], LARGEST_RATE), whole(ARGV[6], LARGEST)
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
    local tokens, cost = whole(ARGV[index + 1], LARGEST_RATE), whole(ARGV[index + 2], LARGEST)
    if not (#ARGV[index] > 0 and tokens and cost and ARGV[index + 3] and read_limits(ARGV[index + 3])) then
      return invalid("arguments of settle")
    end
    ended[#ended + 1] = { ARGV[index], tokens, cost, ARGV[index + 3] }
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
