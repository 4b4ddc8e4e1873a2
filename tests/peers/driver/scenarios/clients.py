"""Real clients: they discover, register, and accept the answer."""

import urllib.parse

from ..scenario import equal, expect, scenario

MCP_CLIENTS = [
    ("MCP SDK for TypeScript 1.x", "mcp_sdk_v1.mjs"),
    ("MCP client for TypeScript 2.x", "mcp_client_v2.mjs"),
    ("MCP SDK for Python", "mcp_py.py"),
]


def check_authorization(url, gateway, client):
    """The client goes on to the browser with what it registered."""
    expect(url.startswith(gateway.url + "/"), "the client would open", url)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    equal(query["client_id"], client["client_id"], "client_id at the authorization endpoint")
    expect(query["redirect_uri"] in client["redirect_uris"], query["redirect_uri"], "is not one of", client["redirect_uris"])


def connects(world, script, gateway):
    resource = f"{world.mcp_resource}/as/{urllib.parse.quote(gateway.issuer, safe='')}/mcp"
    done = world.client(script, resource)
    check_authorization(done["authorize"], gateway, done["client"])
    return done["client"]


for name, script in MCP_CLIENTS:
    scenario(f"{name}: discovers and registers in front of oidc-provider")(lambda world, s=script: connects(world, s, world.oidc_gateway))
    scenario(f"{name}: discovers and registers in front of Keycloak")(lambda world, s=script: connects(world, s, world.keycloak_gateway))


@scenario("openid-client: discovers, registers, and reads the refusal")
def _(world):
    done = world.client("openid_client.mjs", world.oidc_gateway.issuer)
    expect(done["client"]["client_id"], "no client_id in", done)
    equal((done["refusal_status"], done["refusal_error"]), (400, "invalid_redirect_uri"), "refusal")
    expect("redirect_uris[0]" in done["refusal_description"], "the refusal does not say where:", done["refusal_description"])


def authlib(world, gateway):
    done = world.client("authlib_client.py", gateway.issuer)
    check_authorization(done["authorize"], gateway, done["client"])
    equal(done["managed"], [200, 200, 204, 401], "statuses of reading, changing, deleting, and reading again")
    equal(done["changed"]["client_name"], "Authlib, changed", "client_name after the change")


SENTENCE = "discovers and registers; then registers, reads, changes and deletes itself"
scenario(f"Authlib's client: {SENTENCE} in front of oidc-provider")(lambda world: authlib(world, world.oidc_gateway))
scenario(f"Authlib's client: {SENTENCE} in front of Keycloak")(lambda world: authlib(world, world.keycloak_gateway))
