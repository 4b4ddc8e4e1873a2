"""Approval at Keycloak: what its token endpoint gives a client before somebody decided, after an approval, and after a rejection."""

import json

from .. import web
from ..registration import CONFIDENTIAL, NATIVE, check_answer, check_refusal, register
from ..scenario import equal, expect, scenario
from .keycloak import log_in, metadata

WITHHELD = "orders:write"


def ask_for_it(world, name):
    """A new client that asks for the scope that takes an approval, and somebody who is logged in with it."""
    asked = {"client_name": name, "scope": f"openid {WITHHELD}"}
    client = check_answer(register(world.approval_gateway, asked), NATIVE)
    equal(client["scope"], "openid", "scope in the answer")
    pending = json.loads(world.approval_gateway.command("--json", "clients", "list", "--state", "pending"))["clients"]
    found = [p for p in pending if p["client_id"] == client["client_id"]]
    equal([p["scopes"]["withheld"] for p in found], [WITHHELD], "what waits for an approval")
    tokens, _ = log_in(world, client["client_id"], "openid")
    return asked, client["client_id"], tokens["refresh_token"]


def refresh(world, client_id, refresh_token, **more):
    form = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", refresh_token), *more.items()]
    return web.post(metadata(world)["token_endpoint"], form)


@scenario("Keycloak: its token endpoint refuses a withheld scope, and grants it once somebody approved the client")
def _(world):
    _, client_id, refresh_token = ask_for_it(world, "Approved soon")
    refused = refresh(world, client_id, refresh_token, scope=f"openid {WITHHELD}")
    equal((refused.status, refused.json().get("error")), (400, "invalid_scope"), f"before the approval ({refused})")
    approved = json.loads(world.approval_gateway.command("--json", "clients", "approve", client_id, "--comment", "known to us"))
    equal((approved["state"], approved.get("unsettled")), ("active", None), "(state, unsettled)")
    tokens, _ = log_in(world, client_id, f"openid {WITHHELD}")
    expect(WITHHELD in tokens["scope"].split(), "the approved scope is not in", tokens["scope"])


@scenario("Keycloak: its token endpoint refuses everything to a client that somebody rejected, and it does not come back")
def _(world):
    asked, client_id, refresh_token = ask_for_it(world, "Rejected soon")
    equal(refresh(world, client_id, refresh_token).status, 200, "status before the rejection")
    rejected = json.loads(world.approval_gateway.command("--json", "clients", "reject", client_id, "--comment", "nobody knows it"))
    equal((rejected["state"], rejected.get("unsettled")), ("rejected", None), "(state, unsettled)")
    refused = refresh(world, client_id, refresh_token)
    expect(refused.status in (400, 401) and refused.json()["error"] in ("invalid_client", "unauthorized_client"), "after the rejection:", refused)
    equal(world.keycloak_admin(f"/clients?clientId={client_id}"), [], "clients at Keycloak")
    check_refusal(register(world.approval_gateway, asked), 403, "access_denied")


@scenario("Keycloak: a refresh token from before does not bring back a scope that the client has given up")
def _(world):
    asked = {**CONFIDENTIAL, "token_endpoint_auth_method": "client_secret_post", "scope": f"openid {WITHHELD}"}
    client = check_answer(register(world.approval_gateway, asked), asked)
    client_id, secret = client["client_id"], client["client_secret"]
    world.approval_gateway.command("clients", "approve", client_id)
    tokens, _ = log_in(world, client_id, f"openid {WITHHELD}", secret)
    expect(WITHHELD in tokens["scope"].split(), "the approved scope is not in", tokens["scope"])
    fewer = {**asked, "client_id": client_id, "client_secret": secret, "scope": "openid"}
    changed = web.request("PUT", client["registration_client_uri"], fewer, headers=web.bearer(client["registration_access_token"]))
    equal((changed.status, changed.json().get("scope")), (200, "openid"), f"the change ({changed})")
    refreshed = refresh(world, client_id, tokens["refresh_token"], client_secret=secret)
    given = refreshed.json().get("scope", "").split() if refreshed.status == 200 else []
    expect(WITHHELD not in given, "the refresh token brought it back:", refreshed)


@scenario("Keycloak: whoever got tokens through the gateway was used, and who is suspended gets none there")
def _(world):
    gateway = world.approval_gateway
    _, client_id, refresh_token = ask_for_it(world, "Suspended soon")
    shown = lambda: json.loads(gateway.command("--json", "clients", "show", client_id))  # noqa: E731
    equal(shown()["last_used_at"], None, "last use, while nothing came through this gateway")
    token_endpoint = metadata(world)["token_endpoint"].replace(world.keycloak_gateway.url, gateway.url)
    form = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", refresh_token)]
    tokens = web.post(token_endpoint, form)
    equal(tokens.status, 200, f"status ({tokens})")
    expect(world.eventually(lambda: shown()["last_used_at"]), "the use was not noted")
    gateway.command("clients", "suspend", client_id, "--comment", "for a while")
    refused = check_refusal(web.post(token_endpoint, form), 401, "invalid_client")
    expect("request_id" in refused, "not the gateway's own answer:", refused)
    gateway.command("clients", "resume", client_id)
    form[2] = ("refresh_token", tokens.json()["refresh_token"])
    again = web.post(token_endpoint, form)
    equal(again.status, 200, f"status after it was resumed ({again})")


@scenario("Keycloak: doctor finds nothing open in the realm that deploy/ sets up, and says where it answers past the gateway")
def _(world):
    found = json.loads(world.approval_gateway.command("--json", "doctor"))["found"]
    equal([f["name"] for f in found if f["severity"] == "problem"], [], "problems")
    said = world.approval_gateway.command("--json", "doctor", "--not-at", world.keycloak_url, code=1)
    equal([f["name"] for f in json.loads(said)["found"] if f["severity"] == "problem"], ["reachable_elsewhere"], "problems")
