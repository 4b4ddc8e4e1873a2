"""There is one way to Keycloak's registration, and it is guarded."""

from .. import web
from ..registration import NATIVE, check_refusal, endpoint
from ..scenario import equal, expect, scenario

P = "/realms/acme/clients-registrations"
MISSPELT = [
    f"/{P}/openid-connect",
    "/realms//acme/clients-registrations/openid-connect",
    f"{P}//openid-connect",
    f"{P}/openid-connect/",
    f"{P}/./openid-connect",
    f"{P}/x/../openid-connect",
    f"{P}/%2e/openid-connect",
    f"{P}/%2e%2e/clients-registrations/openid-connect",
    f"{P}/openid%2dconnect",
    f"{P}/%6fpenid-connect",
    f"{P}%2Fopenid-connect",
    "/realms/acme/clients%2Dregistrations/openid-connect",
    "/realms/acme/clients%252Dregistrations/openid-connect",
    f"{P};x=1/openid-connect",
    f"{P}/openid-connect;x=1",
    "/realms;x/acme/clients-registrations/openid-connect",
    "/REALMS/acme/clients-registrations/openid-connect",
    "/realms/acme/Clients-Registrations/openid-connect",
    f"{P}/OpenID-Connect",
    "/realms/acme\\clients-registrations\\openid-connect",
    f"{P}/openid-connect%00",
    f"{P}/openid-connect.",
    f"{P}/openid-connect.json",
    f"{P}/openid-connect*",
    f"{P}/default/",
    f"/{P}/default",
]


@scenario("Keycloak: the other providers of clients-registrations are refused")
def _(world):
    for provider in ("default", "install", "saml2-entity-descriptor", "default/some-client", "install/account", ""):
        for method in ("GET", "POST"):
            body = {"clientId": "x"} if method == "POST" else None
            answer = web.request(method, world.keycloak_gateway.url, body, target=f"{P}/{provider}".rstrip("/"))
            expect(answer.status in (403, 404), f"{method} {P}/{provider} was answered {answer}")
            check_refusal(answer, answer.status)


@scenario("Keycloak: the registration paths of other realms are refused")
def _(world):
    for realm in ("master", "ACME", "other"):
        answer = web.post(world.keycloak_gateway.url, NATIVE, target=f"/realms/{realm}/clients-registrations/openid-connect")
        expect(answer.status in (400, 403, 404), f"realm {realm} was answered {answer}")
        check_refusal(answer, answer.status)


@scenario("Keycloak: every other spelling of the registration path is 400")
def _(world):
    wrong = []
    for target in MISSPELT:
        answer = web.post(world.keycloak_gateway.url, NATIVE, target=target)
        if answer.status != 400:
            wrong.append(f"{target} -> {answer.status}")
    expect(not wrong, *wrong)


@scenario("Keycloak: anonymous registration is shut at the server, and works through the gateway")
def _(world):
    direct = web.post(f"{world.keycloak_url}{P}/openid-connect", NATIVE)
    equal((direct.status, direct.json()["error"]), (403, "insufficient_scope"), "Keycloak's own answer")
    through = web.post(endpoint(world.keycloak_gateway), NATIVE)
    equal(through.status, 201, f"the gateway's answer ({through})")


@scenario("Keycloak: the caller's own Authorization is not what reaches the server")
def _(world):
    answer = web.post(endpoint(world.keycloak_gateway), NATIVE, headers=web.bearer("not-a-token"))
    check_refusal(answer, 401, "invalid_token")
    expect((answer.headers["www-authenticate"] or "").startswith("Bearer"), "www-authenticate is", answer.headers["www-authenticate"])
