"""What the gateway's credential must not make weaker at Keycloak, and what a client that registered can do there."""

from .. import web
from ..browser import Browser, LoopbackClient
from ..registration import NATIVE, check_answer, register
from ..scenario import equal, expect, scenario


def stored(world, client_id):
    found = world.keycloak_admin(f"/clients?clientId={client_id}")
    equal(len(found), 1, f"clients called {client_id}")
    return found[0]


def metadata(world):
    return web.get(world.keycloak_gateway.issuer + "/.well-known/openid-configuration").json()


def log_in(world, client_id, scope, secret=None):
    """The whole code flow through the gateway, on a port of the system's choosing; returns the token answer."""
    server, client, browser = metadata(world), LoopbackClient(), Browser()
    try:
        page = browser.open(client.authorization_url(server["authorization_endpoint"], client_id, scope))
        page = browser.submit(page, "kc-form-login", username="demo", password=world.secrets["demo user"])
        if "code" not in client.received:
            expect("consent" in page.text, "neither a code nor a consent page:", page)
            browser.submit(page, None, accept="Yes")  # this form has no id
            consented = True
        else:
            consented = False
        expect(
            all(url.startswith((world.keycloak_gateway.url, client.redirect_uri)) for url in browser.visited),
            "the browser was led past the gateway:",
            browser.visited,
        )
        equal(client.received.get("iss"), world.keycloak_gateway.issuer, "iss of the authorization response (RFC 9207)")
        tokens = client.tokens(server["token_endpoint"], client_id, secret)
        world.login_tokens += [client.received["code"], *(tokens[t] for t in ("access_token", "refresh_token", "id_token"))]
        return tokens, consented
    finally:
        client.close()


@scenario("Keycloak: a client admitted by the gateway needs consent and has no full scope")
def _(world):
    client = stored(world, check_answer(register(world.keycloak_gateway), NATIVE)["client_id"])
    equal((client["consentRequired"], client["fullScopeAllowed"]), (True, False), "(consentRequired, fullScopeAllowed)")
    expect(
        client["publicClient"]
        and not client["serviceAccountsEnabled"]
        and not client["directAccessGrantsEnabled"]
        and not client["implicitFlowEnabled"],
        "more is switched on than was asked:",
        client,
    )


@scenario("Keycloak: a client that asks for no scope gets the profile's, not every optional scope of the realm")
def _(world):
    client = stored(world, check_answer(register(world.keycloak_gateway), NATIVE)["client_id"])
    had = set(client["defaultClientScopes"]) | set(client["optionalClientScopes"])
    expect(not had & {"orders:write", "orders:read", "offline_access", "mcp:tools"}, "it got", sorted(had))


@scenario("Keycloak: too many scopes are trimmed to the profile's, and the client is told which it has")
def _(world):
    asked = "openid profile orders:read orders:write no-such-scope mcp:tools"
    answer = check_answer(register(world.keycloak_gateway, {"scope": asked}), NATIVE)
    equal(set(answer["scope"].split()), {"openid", "profile", "orders:read", "mcp:tools"}, "scope in the answer")
    equal(set(stored(world, answer["client_id"])["optionalClientScopes"]), {"profile", "orders:read", "mcp:tools"}, "optional scopes at Keycloak")


@scenario("Keycloak: what it does not know is left out, and the client registers all the same")
def _(world):
    asked = {
        "client_name#de": "Eine Anwendung",
        "x_unknown": {"a": 1},
        "response_modes": ["query"],
        "application_type": "native",
        "software_id": "a-b-c",
    }
    check_answer(register(world.keycloak_gateway, asked), NATIVE)


@scenario("Keycloak: a loopback client logs in on a random port, through the gateway, and its token holds no roles of the user")
def _(world):
    asked = {"scope": "openid profile orders:read"}
    client_id = check_answer(register(world.keycloak_gateway, asked), NATIVE)["client_id"]
    equal(stored(world, client_id)["redirectUris"], ["http://127.0.0.1/callback"], "redirect URIs at Keycloak")
    tokens, consented = log_in(world, client_id, "openid profile orders:read")
    expect(consented, "nobody was asked for consent")
    claims = web.claims(tokens["access_token"])
    equal(set(claims["scope"].split()), {"openid", "profile", "orders:read"}, "scope of the access token")
    expect("orders-admin" not in str(claims) and "realm_access" not in claims and "resource_access" not in claims, "roles in the token:", claims)
    roles = {r["name"] for r in world.keycloak_admin(f"/users/{claims['sub']}/role-mappings/realm")}
    expect("orders-admin" in roles, "the control failed: the user has no such role, but", roles)


@scenario("Keycloak: the gateway's service account may create and administer clients and nothing else")
def _(world):
    form = [("grant_type", "client_credentials"), ("client_id", "dcr-gateway"), ("client_secret", world.secrets["keycloak client"])]
    token = web.post(metadata(world)["token_endpoint"], form).json()["access_token"]
    access = web.claims(token)["resource_access"]
    equal(list(access), ["realm-management"], "clients of which the service account has roles")
    equal(sorted(access["realm-management"]["roles"]), ["create-client", "manage-clients"], "roles of the service account")
    for path in ("/users", "/roles", "/components", "/identity-provider/instances"):
        answer = web.get(f"{world.keycloak_url}/admin/realms/acme{path}", headers=web.bearer(token))
        equal(answer.status, 403, f"status of the admin API's {path}")
