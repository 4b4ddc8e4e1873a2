"""The same for each of the four servers: a registration, a refusal, the metadata, what is forwarded. Then what only one of them does."""

from .. import web
from ..registration import CONFIDENTIAL, NATIVE, check_answer, check_refusal, endpoint, register
from ..scenario import equal, expect, scenario

# name, the gateway in front of it, a forwarded path and the status that says the server itself answered
SERVERS = [
    ("oidc-provider", "oidc_gateway", "/jwks", 200),
    ("Authlib", "authlib_gateway", "/authorize?client_id=x", 200),
    ("MCP router", "router_gateway", "/authorize", 400),
    ("Keycloak", "keycloak_gateway", "/realms/acme/protocol/openid-connect/certs", 200),
]
FORMS = ["oauth-authorization-server", "openid-configuration"]


def for_each_server(sentence):
    def register_all(function):
        for name, gateway, path, status in SERVERS:
            scenario(f"{name}: {sentence}")(lambda world, g=gateway, p=path, s=status: function(world, getattr(world, g), p, s))
        return function

    return register_all


@for_each_server("a client registers through the gateway")
def _(world, gateway, *_):
    check_answer(register(gateway), NATIVE)


@for_each_server("a bad redirect URI is refused, every violation named")
def _(world, gateway, *_):
    asked = {"redirect_uris": ["javascript:alert(1)", "https://evil.example/callback#fragment"]}
    body = check_refusal(register(gateway, asked), 400, "invalid_redirect_uri")
    violations = body.get("violations") or []
    expect(len(violations) >= 2, "expected a violation for each of the two URIs, got", violations)
    said = str(violations)
    expect("redirect_uris[0]" in said and "redirect_uris[1]" in said, "the places are not named:", violations)


@for_each_server("the metadata names the gateway's registration endpoint and keeps the issuer")
def _(world, gateway, *_):
    origin, path = gateway.url, gateway.issuer.removeprefix(gateway.url).rstrip("/")
    served = []
    for document in FORMS:
        for url in {f"{origin}/.well-known/{document}{path}", f"{origin}{path}/.well-known/{document}"}:
            answer = web.get(url)
            if answer.status == 404:  # not every server has every form
                continue
            equal(answer.status, 200, f"status of {url}")
            metadata = answer.json()
            equal(metadata["issuer"], gateway.issuer, f"issuer in {url}")
            expect(metadata["registration_endpoint"].startswith(origin + "/"), "registration_endpoint is", metadata["registration_endpoint"])
            aliased = metadata.get("mtls_endpoint_aliases", {}).get("registration_endpoint", origin + "/")
            expect(aliased.startswith(origin + "/"), "mtls_endpoint_aliases.registration_endpoint is", aliased)
            for name in ("client_id_metadata_document_supported", "signed_metadata"):
                expect(not metadata.get(name), f"{url} has {name}")
            served.append(url)
    expect(f"{origin}/.well-known/oauth-authorization-server{path}" in served, "not served where RFC 8414 §3.1 puts it; served:", served)


@for_each_server("other paths reach the server")
def _(world, gateway, path, status):
    answer = web.get(gateway.url + path)
    equal(answer.status, status, f"status of {path} ({answer})")


@for_each_server("a client's management path answers only who has the gateway's token, whatever the method")
def _(world, gateway, *_):
    url = endpoint(gateway)
    for method in ("GET", "PUT", "DELETE"):
        body = NATIVE if method == "PUT" else None
        for headers in ({}, web.bearer("nobody-issued-this")):
            refused = web.request(method, f"{url}/some-client", body, headers=headers)
            check_refusal(refused, 401, "invalid_token")
            expect((refused.headers["www-authenticate"] or "").startswith("Bearer"), "www-authenticate is", refused.headers["www-authenticate"])


@for_each_server("what is not a registration is answered in JSON")
def _(world, gateway, *_):
    url = endpoint(gateway)
    answer = web.get(url)
    check_refusal(answer, 405)
    expect("POST" in (answer.headers["allow"] or ""), "allow is", answer.headers["allow"])
    check_refusal(web.post(url, "a=b", headers={"content-type": "application/x-www-form-urlencoded"}), 415)
    body = check_refusal(web.post(url, '{"redirect_uris": [', headers={"content-type": "application/json"}), 400)
    expect("line 1" in body["error_description"], "no line and column in", body)
    check_refusal(web.post(url, '{"a":1,"a":2}', headers={"content-type": "application/json"}), 400)
    check_refusal(web.post(url, "{" + " " * 70_000 + "}", headers={"content-type": "application/json"}), 413)


@scenario("Authlib: registers nobody who has not the gateway's token")
def _(world):
    answer = web.post(f"{world.authlib_url}/register", NATIVE)
    equal(answer.status, 400, f"status at the server itself ({answer})")


@scenario("MCP router: it has no RFC 7592, so a confidential client is given nothing to manage itself with")
def _(world):
    answer = register(world.router_gateway, CONFIDENTIAL)
    client = check_answer(answer, CONFIDENTIAL)
    for name in ("registration_access_token", "registration_client_uri"):
        expect(name not in client, name, "is in", answer)


@scenario("MCP router: its own 429 becomes the gateway's answer, with Retry-After")
def _(world):
    for number in range(world.router_limit + 1):  # each by another name: the same public client again would not reach the server
        answer = register(world.router_gateway, {"client_name": f"One too many {number}"})
        if answer.status != 201:
            break
    expect(answer.status in (429, 503), f"expected 429 or 503, got {answer}")
    check_refusal(answer, answer.status)
    expect(int(answer.headers["retry-after"] or 0) > 0, "retry-after is", answer.headers["retry-after"])
