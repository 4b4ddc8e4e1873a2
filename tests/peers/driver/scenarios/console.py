"""The console in a real browser: what it looks like, what it does and does not do, and signing in with an account at Keycloak."""

import json
import urllib.parse

from .. import web
from ..registration import CONFIDENTIAL, check_answer, register
from ..scenario import equal, expect, scenario

# The first letter is a full-width one: admitted, unlike a letter of another script among Latin ones.
NAME = "\uff2frders dashboard"


def ask_for_more(gateway, name):
    """A client that waits for somebody: it asked for more than it gets at once."""
    printed = json.loads(gateway.command("tokens", "create", "--profile", "reviewed", "--ttl", "1h", "--json"))
    asked = {**CONFIDENTIAL, "client_name": name, "redirect_uris": ["https://reports.example.com/callback"], "scope": "openid profile email"}
    client = check_answer(register(gateway, asked, headers={"authorization": f"Bearer {printed['token']}"}), asked)
    equal(client["scope"], "openid", "scope before somebody decided")
    return client


def account_client(world):
    """The console's client at Keycloak: the standard flow, and realm roles in the ID token."""
    gateway = world.console_gateway
    mapper = {
        "name": "roles",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-usermodel-realm-role-mapper",
        "config": {"claim.name": "roles", "multivalued": "true", "jsonType.label": "String", "id.token.claim": "true", "access.token.claim": "false"},
    }
    client = {
        "clientId": "dcr-gateway-console",
        "secret": world.secrets["console client"],
        "publicClient": False,
        "standardFlowEnabled": True,
        "fullScopeAllowed": True,
        "redirectUris": [f"{gateway.console}/console/callback"],
        "attributes": {"pkce.code.challenge.method": "S256"},
        "protocolMappers": [mapper],
    }
    world.keycloak_admin("/clients", "POST", client)


@scenario("console: a page that is accessible on every screen, asks nobody else, and lets one of two people decide")
def _(world):
    gateway = world.console_gateway
    registered = []
    for name in ("Orders dashboard", NAME):
        asked = {**CONFIDENTIAL, "client_name": name, "redirect_uris": ["https://orders.example.com/callback"], "scope": "openid profile"}
        registered.append(check_answer(register(gateway, asked), asked))
    account_client(world)
    wanted, unwanted = ask_for_more(gateway, "Quarterly reports"), ask_for_more(gateway, "Unheard-of reports")
    order = {
        "url": gateway.console,
        "tokens": gateway.operators,
        "client": registered[1]["client_id"],
        "approve": wanted["client_id"],
        "reject": unwanted["client_id"],
        "pictures": str(world.run),
        "account": {"name": "demo", "password": world.secrets["demo user"]},
    }
    seen = world.client("console_page.mjs", json.dumps(order), seconds=240)
    equal(seen["violations"], [], "what axe found")
    equal(seen["wide"], [], "what is wider than the screen")
    equal(seen["errors"], [], "errors in the browser")
    equal(seen["elsewhere"], [], "requests to others")
    equal(seen["name"], NAME, "the name")
    equal(seen["marks"], [NAME[0]], "what is marked in it")
    equal(seen["buttons"], ["Suspend"], "what an approver may do to an active client")
    expect("suspended by ada" in seen["decided"] and "seen by the fraud team" in seen["decided"], "the decision is shown as", seen["decided"])
    expect("somebody else was faster" in seen["overtaken"] and "suspended now, last by ada" in seen["overtaken"], "the other was told", seen["overtaken"])
    equal(seen["bans"], ["lifted", "lifted"], "the lockdown and the ban, afterwards")
    equal(seen["kept"], ["", 0, 0], "what scripts can read of cookie, local and session storage")
    equal(seen["markup"], "TypeError", "making markup of a text")
    equal(seen["afterwards"], 401, "status of the API after signing out")
    equal(seen["viewer"], [], "what a viewer may do")
    equal(seen["account"], "demo approver", "who signed in with an account")
    equal(seen["provider"], [world.keycloak_gateway.url], "whom signing in with an account asks")
    kept = json.loads(gateway.command("clients", "show", order["client"], "--json"))
    equal((kept["state"], kept["changed_by"], kept["comment"]), ("suspended", "ada", "seen by the fraud team"), "the record")
    approved = json.loads(gateway.command("clients", "show", order["approve"], "--json"))
    equal((approved["state"], approved["approved"]["actor"], approved["approved"]["comment"]), ("active", "ada", "as agreed on the phone"), "the approved one in the record")
    equal(approved.get("unsettled"), None, "what the server does not have yet")
    now = web.get(wanted["registration_client_uri"], headers={"authorization": f"Bearer {wanted['registration_access_token']}"})
    equal(sorted(now.json()["scope"].split()), ["openid", "profile"], "the scopes it has; one was not ticked")
    rejected = json.loads(gateway.command("clients", "show", order["reject"], "--json"))
    equal((rejected["state"], rejected["changed_by"], rejected["comment"]), ("rejected", "ada", "nobody knows them"), "the rejected one in the record")
    equal((seen["approved"], seen["rejected"]), ("active", "rejected"), "the states the page shows afterwards")


@scenario("console: the provider's answer counts in the browser that began alone")
def _(world):
    console = world.console_gateway.console
    begun = web.get(f"{console}/console/sign-in")
    equal(begun.status, 303, f"status ({begun})")
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(begun.headers["location"]).query))
    equal((asked["response_type"], asked["code_challenge_method"]), ("code", "S256"), "what is asked for")
    cookie = begun.headers["set-cookie"].split(";")[0]
    back = f"{console}/console/callback?code=x&state="
    for url, headers in [(back + asked["state"], {}), (back + "other", {"cookie": cookie}), (back, {"cookie": cookie})]:
        answer = web.request("GET", url, headers=headers)
        equal((answer.status, answer.headers["location"]), (303, "/console/?refused=begin"), f"where {url} leads")
    # Its own, with a code that Keycloak never gave.
    answer = web.request("GET", back + asked["state"], headers={"cookie": cookie})
    equal((answer.status, answer.headers["location"]), (303, "/console/?refused=provider"), "where an unknown code leads")
    for line in answer.headers.get_all("set-cookie"):
        expect("__Host-dcr-console=" not in line, "a session was begun:", line)
