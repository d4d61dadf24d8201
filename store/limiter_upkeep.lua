-- What keeps the limiter's state true and small, away from the path of calls. limiter_state.lua, which tells
-- the form of everything here, stands before this text.
--
-- ARGV, after the two that it tells of:
--   raise    (counter, slice_ms, slices, used)+
--            windows are never lowered; one that was lost serves again from here. `used` is "age:amount ...":
--            what was used so many slices ago, the youngest first; of a calendar period, whose slice_ms and
--            slices are 0, all of it at age 0
--   sweep    now_ms, cursor         forgets what no longer counts; answers with the next cursor, 0 at the end
-- `now_ms` is the caller's time: a calendar period is forgotten only where both clocks say that it is long
-- over, so that no clock's leap gives a budget back.

local OVER_MS = 70 * 86400000
local SLICE_MS_OF_AN_HOUR = 60000
local SLICES = 60
local SWEPT_AT_ONCE = 200

-- What was settled since a loss may not be among the usage rows yet: counting it twice is the safe side.
local function raise_calendar(counter, known)
  local total = known[0] or 0
  local used = counter.unready and counter.used + total or math.max(counter.used, total)
  counter.used = math.min(LARGEST, used)
end

-- What each slice of a rolling counter has, by its age.
local function slices_of(limit, counter)
  local found = { [0] = counter.fresh }
  for slice, amount in string.gmatch(counter.past or redis.call("HGET", STATE, PAST .. limit[2]) or "", "(%d+):(%d+)") do
    found[counter.slice - tonumber(slice)] = tonumber(amount)
  end
  return found
end

-- Adds to the slices what the rows know beyond them. The rows count from the start of a call and by another
-- clock, the slices from its end: so a slice more is looked through before anything is missed, and what is
-- missed is counted a slice later.
local function fill(slices, known, doubted, oldest)
  local seen, told, added = slices[0], 0, 0
  for age = 0, oldest + 1 do
    local amount = known[age] or 0
    seen, told = seen + (slices[age + 1] or 0), told + amount
    local missed = doubted and amount or told - seen - added
    if missed > 0 then
      local place = math.max(0, age - 1)
      slices[place] = (slices[place] or 0) + missed -- which the loop has passed, so it is not seen again
      added = added + missed
    end
  end
end

local function raise_rolling(limit, counter, known)
  local slices, kept, used = slices_of(limit, counter), {}, 0
  fill(slices, known, counter.unready, limit[5])
  for age = limit[5], 0, -1 do
    local amount = math.min(slices[age] or 0, LARGEST - used)
    used = used + amount
    if amount > 0 and age > 0 then
      kept[#kept + 1] = string.format("%d:%d", counter.slice - age, amount)
    elseif age == 0 then
      counter.fresh = amount
    end
  end
  counter.used, counter.past = used, table.concat(kept, " ")
end

-- The amounts by their age, or nil when the text is none.
local function read_known(text)
  local known, rest = {}, text and text .. " " or ""
  if not string.match(rest, "^[%d: ]*$") then
    return nil
  end
  for age, amount in string.gmatch(rest, "(%d+):(%d+) ") do
    age, amount = whole(age), whole(amount)
    if not (age and amount) then
      return nil
    end
    known[age] = amount
  end
  return known
end

-- The limits and what is known of each, or nothing when any argument is not what this file's head says.
local function read_raises()
  local limits, knowns = {}, {}
  for index = 3, #ARGV, 4 do
    local kind, slice_ms, slices = string.sub(ARGV[index], 1, 1), whole(ARGV[index + 1]), whole(ARGV[index + 2])
    local known = read_known(ARGV[index + 3])
    local rolling = slice_ms and slices and slice_ms > 0 and slices > 0 and slices <= 1000
    if not (known and (IS_CALENDAR[kind] or (IS_ROLLING[kind] and rolling))) then
      return nil
    end
    limits[#limits + 1] = { kind, ARGV[index], 0, slice_ms, slices }
    knowns[#knowns + 1] = known
  end
  return limits, knowns
end

local function raise()
  local limits, knowns = read_raises()
  if not limits or #limits == 0 then
    return invalid("arguments of raise")
  end
  keep_time()
  local counters = read_counters(limits)
  for index = 1, #limits do
    local limit, counter = limits[index], counters[index]
    if counter.slice then
      raise_rolling(limit, counter, knowns[index])
    else
      raise_calendar(counter, knowns[index])
    end
    counter.unready = nil
  end
  write_counters(limits, counters)
  return "1"
end

-- A counter's name ends with the start of its period in seconds, or with the hours of its rolling window.
local function counts_nothing(name, text, caller)
  local kind, last = string.sub(name, 1, 1), tonumber(string.match(name, ":(%d+)$"))
  if IS_CALENDAR[kind] then
    return string.match(text, "^%d+ 0 ") and last * 1000 + OVER_MS < math.min(real, caller)
  elseif IS_ROLLING[kind] then
    local counter = read_rolling({ kind, name, 0, last * SLICE_MS_OF_AN_HOUR, SLICES }, text)
    return counter.held == 0 and counter.used == 0
  end
  local counter = read_rate({ kind, name, 0 }, text)
  return counter.held == 0 and counter.used == 0
end

local function sweep()
  local caller, cursor = whole(ARGV[3]), ARGV[4]
  if not caller or not cursor or not string.match(cursor, "^%d+$") then
    return invalid("arguments of sweep")
  end
  local found = redis.call("HSCAN", STATE, cursor, "COUNT", SWEPT_AT_ONCE)
  local forgotten = {}
  for index = 1, #found[2], 2 do
    local name = found[2][index]
    if IS_KIND[string.sub(name, 1, 1)] and counts_nothing(name, found[2][index + 1], caller) then
      forgotten[#forgotten + 1] = name
      forgotten[#forgotten + 1] = PAST .. name
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
