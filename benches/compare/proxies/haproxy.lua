-- HAProxy: judges the body that was waited for; `txn.refusal` is the answer's when it may not pass.
local cjson = require "cjson.safe"
local registration = require "registration"

core.register_action("judge", { "http-req" }, function(transaction)
  local code, sentence = registration.refusal(cjson.decode(transaction.f:req_body() or ""))
  if code then transaction:set_var("txn.refusal", cjson.encode({ error = code, error_description = sentence })) end
end)
