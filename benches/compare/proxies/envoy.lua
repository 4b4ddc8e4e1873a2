-- Envoy: the filter. The driver puts json.lua and registration.lua before it, as locals of these names: one filter is one file.
local tokens = { ["Bearer the-one-that-is-known"] = true }

local function refuse(request, status, code, sentence)
  local headers = { [":status"] = status, ["content-type"] = "application/json" }
  if status == "401" then headers["www-authenticate"] = 'Bearer error="invalid_token"' end
  request:respond(headers, '{"error":"' .. code .. '","error_description":"' .. sentence .. '"}')
end

function envoy_on_request(request)
  local token = request:headers():get("authorization")
  if token and not tokens[token] then return refuse(request, "401", "invalid_token", "the token is not known") end
  local body = request:body()
  local text = body and body:getBytes(0, body:length()) or ""
  local code, sentence = registration.refusal(json.decode(text))
  if code then return refuse(request, "400", code, sentence) end
end
