-- The generic cell rate algorithm, as governor counts it, over KEYS in their order; the first that is reached stops, and those
-- after it are not counted. ARGV holds four numbers for each key: the interval and the tolerance, in seconds and nanoseconds.
-- A key holds the theoretical arrival time; it goes when that has passed, which is the same as a whole burst.
--
-- Lua's numbers are doubles, and nanoseconds since 1970 do not fit one: every time is seconds and nanoseconds.
local clock = redis.call('TIME')
local now_s, now_n = tonumber(clock[1]), tonumber(clock[2]) * 1000

local function plus(s, n, more_s, more_n)
  s, n = s + more_s, n + more_n
  if n >= 1000000000 then
    return s + 1, n - 1000000000
  end
  return s, n
end

local function is_before(s, n, other_s, other_n)
  return s < other_s or (s == other_s and n < other_n)
end

-- Kept until it has passed; two milliseconds more, because Redis expires by whole ones.
local function keep(key, s, n)
  local owed_ms = (s - now_s) * 1000 + math.ceil((n - now_n) / 1000000) + 2
  redis.call('SET', key, string.format('%d %d', s, n), 'PX', string.format('%d', owed_ms))
end

local arrival_s, arrival_n
for i, key in ipairs(KEYS) do
  local first = 4 * i - 3
  local interval_s, interval_n = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
  local latest_s, latest_n = plus(now_s, now_n, tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3]))

  arrival_s, arrival_n = now_s, now_n
  local kept_s, kept_n = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  if kept_s then
    kept_s, kept_n = tonumber(kept_s), tonumber(kept_n)
    if is_before(now_s, now_n, kept_s, kept_n) then
      arrival_s, arrival_n = kept_s, kept_n
    end
  end

  if is_before(latest_s, latest_n, arrival_s, arrival_n) then
    -- Nobody owes more than a whole burst: only a clock that was set back, or a smaller limit, makes it look so.
    local most_s, most_n = plus(latest_s, latest_n, interval_s, interval_n)
    if is_before(most_s, most_n, arrival_s, arrival_n) then
      arrival_s, arrival_n = most_s, most_n
      keep(key, arrival_s, arrival_n)
    end
    return {i, 0, arrival_s, arrival_n, now_s, now_n}
  end

  arrival_s, arrival_n = plus(arrival_s, arrival_n, interval_s, interval_n)
  keep(key, arrival_s, arrival_n)
end
return {#KEYS, 1, arrival_s, arrival_n, now_s, now_n}
