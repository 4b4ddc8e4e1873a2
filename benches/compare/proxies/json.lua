-- Reads JSON (RFC 8259), for Envoy: its Lua has no library for it and cannot load one. nginx and HAProxy have lua-cjson.
local json = {}

local escapes = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local literals = { ["true"] = true, ["false"] = false, ["null"] = json }
local byte, find, sub = string.byte, string.find, string.sub
local value

local function skip(text, at)
  return find(text, "[^ \t\r\n]", at) or #text + 1
end

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function text_at(text, at)
  local parts, from = nil, at + 1
  while true do
    local stop = find(text, '["\\%c]', from)
    if not stop then error("a text without end") end
    local piece, mark = sub(text, from, stop - 1), byte(text, stop)
    if mark == 34 then
      if not parts then return piece, stop + 1 end
      parts[#parts + 1] = piece
      return table.concat(parts), stop + 1
    end
    if mark ~= 92 then error("a control character") end
    parts = parts or {}
    parts[#parts + 1] = piece
    local escape = sub(text, stop + 1, stop + 1)
    if escape == "u" then
      local digits = string.match(text, "^%x%x%x%x", stop + 2)
      if not digits then error("an escape") end
      parts[#parts + 1] = utf8(tonumber(digits, 16))
      from = stop + 6
    else
      parts[#parts + 1] = escapes[escape] or error("an escape")
      from = stop + 2
    end
  end
end

local function list_at(text, at, depth)
  local list, count = {}, 0
  at = skip(text, at + 1)
  if byte(text, at) == 93 then return list, at + 1 end
  while true do
    count = count + 1
    list[count], at = value(text, at, depth)
    at = skip(text, at)
    local mark = byte(text, at)
    if mark == 93 then return list, at + 1 end
    if mark ~= 44 then error("a list") end
    at = at + 1
  end
end

local function object_at(text, at, depth)
  local members = {}
  at = skip(text, at + 1)
  if byte(text, at) == 125 then return members, at + 1 end
  while true do
    at = skip(text, at)
    if byte(text, at) ~= 34 then error("an object") end
    local name
    name, at = text_at(text, at)
    if members[name] ~= nil then error("a member twice") end
    at = skip(text, at)
    if byte(text, at) ~= 58 then error("an object") end
    members[name], at = value(text, at + 1, depth)
    at = skip(text, at)
    local mark = byte(text, at)
    if mark == 125 then return members, at + 1 end
    if mark ~= 44 then error("an object") end
    at = at + 1
  end
end

function value(text, at, depth)
  if depth > 32 then error("too deep") end
  at = skip(text, at)
  local mark = byte(text, at)
  if mark == 34 then return text_at(text, at) end
  if mark == 123 then return object_at(text, at, depth + 1) end
  if mark == 91 then return list_at(text, at, depth + 1) end
  local word = string.match(text, "^%l+", at)
  if word then
    if literals[word] == nil then error("a word") end
    return literals[word], at + #word
  end
  local number = string.match(text, "^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if not number or not tonumber(number) then error("a value") end
  return tonumber(number), at + #number
end

-- The value that the whole text is; nil when it is none.
function json.decode(text)
  local ok, result, after = pcall(value, text, 1, 0)
  if ok and skip(text, after) > #text then return result end
  return nil
end

return json
