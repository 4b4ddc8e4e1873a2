-- nginx: what is said at the registration endpoint, after the limit and before the request goes on.
local cjson = require "cjson.safe"
local registration = require "registration"

local tokens = { ["Bearer the-one-that-is-known"] = true }

local function refuse(status, code, sentence)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  if status == 401 then ngx.header["WWW-Authenticate"] = 'Bearer error="invalid_token"' end
  ngx.print(cjson.encode({ error = code, error_description = sentence }))
  return ngx.exit(status)
end

return function()
  local token = ngx.var.http_authorization
  if token and not tokens[token] then return refuse(401, "invalid_token", "the token is not known") end
  ngx.req.read_body()
  local code, sentence = registration.refusal(cjson.decode(ngx.req.get_body_data() or ""))
  if code then return refuse(400, code, sentence) end
end
