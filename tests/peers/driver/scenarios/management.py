"""RFC 7592 through the gateway: a confidential client reads, changes and deletes itself with the gateway's token, whatever the server's own tokens do. And what is one client is one."""

import concurrent.futures
import json

from .. import web
from ..registration import CONFIDENTIAL, NATIVE, check_answer, check_refusal, endpoint, register
from ..scenario import equal, expect, scenario
from .keycloak import stored

# name, the gateway in front of it
SERVERS = [
    ("Keycloak, which gives another token with every answer", lambda world: world.keycloak_gateway),
    ("oidc-provider, which gives another token with every change", lambda world: world.oidc_gateway),
    ("oidc-provider, which keeps its token, PostgreSQL and Redis behind the gateway", lambda world: world.replicas[0]),
    ("Authlib, which keeps its token", lambda world: world.authlib_gateway),
]


def for_each_server(sentence):
    def register_all(function):
        for name, gateway in SERVERS:
            scenario(f"{name}: {sentence}")(lambda world, g=gateway: function(world, g(world)))
        return function

    return register_all


class Managed:
    """A client that was registered, and what it manages itself with."""

    def __init__(self, gateway):
        answer = register(gateway, CONFIDENTIAL)
        client = check_answer(answer, CONFIDENTIAL)
        self.gateway, self.id, self.secret = gateway, client["client_id"], client["client_secret"]
        self.uri, self.token = client["registration_client_uri"], client["registration_access_token"]
        equal(self.uri, f"{endpoint(gateway)}/{self.id}", "registration_client_uri")
        self.check_ours(client)

    def ask(self, method, body=None):
        return web.request(method, self.uri, body, headers=web.bearer(self.token))

    def change(self, **members):
        return self.ask("PUT", {**CONFIDENTIAL, "client_id": self.id, **members})

    def read(self):
        return self.shown(self.ask("GET"))

    def shown(self, answer, **members):
        """Takes an answer's token, as a client does, after a look at what else is in it."""
        equal(answer.status, 200, f"status ({answer})")
        expect("no-store" in (answer.headers["cache-control"] or ""), "cache-control is", answer.headers["cache-control"])
        client = answer.json()
        equal((client["client_id"], client["client_secret"]), (self.id, self.secret), "(client_id, client_secret)")
        equal({name: client.get(name) for name in members}, members, "what was changed")
        self.check_ours(client)
        self.token = client["registration_access_token"]
        return client

    def check_ours(self, client):
        """Neither the server's token nor its own place: what we gave out, and the rest of the answer without either."""
        expect(client["registration_access_token"].startswith("dcrm_"), "not a token of the gateway's:", client["registration_access_token"])
        equal(client["registration_client_uri"], self.uri, "registration_client_uri")
        said = json.dumps(client)
        for foreign in ("eyJ", "authlib-", self.gateway.server_url):
            expect(foreign not in said, foreign, "of the server is in the answer", said)


@for_each_server("a client reads itself, changes itself twice in a row, and deletes itself")
def _(_world, gateway):
    client = Managed(gateway)
    equal(client.read()["client_name"], CONFIDENTIAL["client_name"], "client_name")
    for name in ("The first change", "The second change"):
        client.shown(client.change(client_name=name), client_name=name)
    equal(client.read()["client_name"], "The second change", "client_name read again")
    deleted = client.ask("DELETE")
    equal((deleted.status, deleted.body), (204, b""), "(status, body) of the deletion")
    for method in ("GET", "DELETE"):
        check_refusal(client.ask(method), 401, "invalid_token")
    check_refusal(client.change(), 401, "invalid_token")


@for_each_server("a change that breaks the rules, or names another client, changes nothing")
def _(_world, gateway):
    client, other = Managed(gateway), Managed(gateway)
    before = client.read()
    body = check_refusal(client.change(client_name="Broken", redirect_uris=["https://evil.example/callback"]), 400, "invalid_redirect_uri")
    expect("redirect_uris[0]" in str(body.get("violations")), "the place is not named:", body)
    check_refusal(client.change(client_name="Broken", client_id=other.id), 400, "invalid_client_metadata")
    check_refusal(client.change(client_name="Broken", client_secret="another-secret"), 400, "invalid_client_metadata")
    check_refusal(web.get(client.uri, headers=web.bearer(other.token)), 401, "invalid_token")
    equal(client.read(), before, "what the server shows afterwards")
    equal(other.read()["client_name"], CONFIDENTIAL["client_name"], "the other client's name")


@for_each_server("eight changes of one client at once are all made, and its last token works")
def _(_world, gateway):
    client = Managed(gateway)
    names = [f"Change {number}" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as threads:
        answers = list(threads.map(lambda name: client.change(client_name=name), names))
    for name, answer in zip(names, answers):
        client.shown(answer, client_name=name)
    expect(client.read()["client_name"] in names, "none of the changes is the last")
    client.shown(client.change(client_name="The last"), client_name="The last")


@scenario("Keycloak: what it names in no answer stays with a client that reads itself, and a change that names no place to return to after logout leaves those of the login")
def _(world):
    client = Managed(world.keycloak_gateway)
    unnamed = {"contacts": ["ops@example.com"], "software_id": "orders", "software_version": "1.2", "application_type": "native"}
    told = client.shown(client.change(**unnamed), **unnamed)
    equal(client.read(), told, "what it reads of itself")
    equal(sorted(told["post_logout_redirect_uris"]), sorted(told["redirect_uris"]), "post_logout_redirect_uris")
    told = client.shown(client.change(), contacts=None, software_id=None)
    equal(client.read(), told, "what it reads of itself without them")


@scenario("Keycloak: a change leaves consent and scope as they were, and a refused one reaches it not")
def _(world):
    client = Managed(world.keycloak_gateway)
    before = stored(world, client.id)
    client.shown(client.change(client_name="Changed", scope="openid profile"))
    check_refusal(client.change(client_name="Broken", redirect_uris=["javascript:alert(1)"]), 400)
    after = stored(world, client.id)
    equal(after["name"], "Changed", "name at Keycloak")
    for member, value in (("consentRequired", True), ("fullScopeAllowed", False)):
        equal((before[member], after[member]), (value, value), f"{member} before and after")
    for member in ("serviceAccountsEnabled", "directAccessGrantsEnabled", "implicitFlowEnabled", "publicClient"):
        equal(after[member], before[member], member)


@scenario("Keycloak: a token that its administration made meanwhile costs the client nothing")
def _(world):
    client = Managed(world.keycloak_gateway)
    theirs = world.keycloak_admin(f"/clients/{stored(world, client.id)['id']}/registration-access-token", "POST")
    expect(theirs["registrationAccessToken"], "Keycloak made no token:", theirs)
    client.shown(client.change(client_name="Recovered"), client_name="Recovered")
    equal(stored(world, client.id)["name"], "Recovered", "name at Keycloak")
    equal(client.read()["client_name"], "Recovered", "client_name read again")


@scenario("Keycloak: claude.ai, which registers twice, is one client there")
def _(world):
    asked = json.loads(world.fixture("clients/claude_ai.json"))
    before = len(world.keycloak_admin("/clients?max=1000"))
    first, second = (check_answer(web.post(endpoint(world.keycloak_gateway), asked), asked) for _ in range(2))
    equal(second["client_id"], first["client_id"], "client_id of the second registration")
    equal(len(world.keycloak_admin("/clients?max=1000")), before + 1, "clients at Keycloak")


@scenario("Replicas on PostgreSQL: a client that one registered is managed at the other, by turns")
def _(world):
    client = Managed(world.replicas[0])
    places = [client.uri.replace(world.replicas[0].url, gateway.url) for gateway in world.replicas]

    def change(number):
        body = {**CONFIDENTIAL, "client_id": client.id, "client_name": f"Change {number}"}
        return web.request("PUT", places[number % 2], body, headers=web.bearer(client.token))

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for number, answer in enumerate(threads.map(change, range(8))):
            client.shown(answer, client_name=f"Change {number}")
    equal(web.request("DELETE", places[1], headers=web.bearer(client.token)).status, 204, "status of the deletion at the other")
    check_refusal(client.ask("GET"), 401, "invalid_token")


@scenario("Replicas on PostgreSQL: the same public client registered at both is one client")
def _(world):
    asked = {**NATIVE, "client_name": "At both"}
    first, second = (check_answer(web.post(f"{gateway.url}/reg", asked), asked) for gateway in world.replicas)
    equal(second["client_id"], first["client_id"], "client_id at the second")


@scenario("Replicas on Redis: attempts at one count at the other")
def _(world):
    def attempt(number):
        return web.post(f"{world.replicas[number % 2].url}/reg", {**NATIVE, "client_name": f"Attempt {number}"}, source="127.0.0.2")

    for number in range(4):
        check_answer(attempt(number), NATIVE)
    for number in (4, 5):
        answer = attempt(number)
        check_refusal(answer, 429, "too_many_requests")
        expect(int(answer.headers["retry-after"] or 0) > 0, "retry-after is", answer.headers["retry-after"])
