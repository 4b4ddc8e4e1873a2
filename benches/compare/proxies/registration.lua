-- What nginx, Envoy and HAProxy hold a registration to: the gateway's rules as far as a few lines can say them, over the whole of the body.
-- The hosts, grants and scopes are those of gateway.yaml.
local registration = {}

local hosts = { ["app.example.com"] = true, ["rp.example"] = true, ["login.partner.example"] = true }
local members = {
  grant_types = { authorization_code = true, refresh_token = true },
  response_types = { code = true },
}
local methods = { client_secret_basic = true, client_secret_post = true, none = true }
local scopes = { openid = true, profile = true, email = true }

local function is_redirect_uri(uri)
  if type(uri) ~= "string" or #uri > 2048 or string.find(uri, "[%s%c#\\*]") then return false end
  local host, path = string.match(uri, "^https://([%w.-]+)(/.*)$")
  return host ~= nil and hosts[string.lower(host)] == true and string.find(path, "^/oauth/") ~= nil and not string.find(path, "..", 1, true)
end

-- What is wrong, as an error of RFC 7591 and a sentence; nothing when it may pass.
function registration.refusal(requested)
  if type(requested) ~= "table" then return "invalid_client_metadata", "the body is not a JSON object" end
  local uris = requested.redirect_uris
  if type(uris) ~= "table" or #uris == 0 or #uris > 20 then return "invalid_redirect_uri", "redirect_uris: 1 to 20" end
  for index, uri in ipairs(uris) do
    if not is_redirect_uri(uri) then return "invalid_redirect_uri", "redirect_uris[" .. (index - 1) .. "] is not allowed" end
  end
  for name, allowed in pairs(members) do
    local values = requested[name]
    if values ~= nil then
      if type(values) ~= "table" then return "invalid_client_metadata", name .. " is not a list" end
      for _, one in ipairs(values) do
        if not allowed[one] then return "invalid_client_metadata", name .. ": a value is not allowed" end
      end
    end
  end
  local method = requested.token_endpoint_auth_method
  if method ~= nil and not methods[method] then return "invalid_client_metadata", "token_endpoint_auth_method is not allowed" end
  local name = requested.client_name
  if name ~= nil and (type(name) ~= "string" or #name > 128 or string.find(name, "%c")) then
    return "invalid_client_metadata", "client_name: 128 printable characters at most"
  end
  if requested.scope ~= nil then
    if type(requested.scope) ~= "string" then return "invalid_client_metadata", "scope is not a text" end
    for scope in string.gmatch(requested.scope, "%S+") do
      if not scopes[scope] then return "invalid_client_metadata", "scope: one is not allowed" end
    end
  end
  return nil
end

return registration
