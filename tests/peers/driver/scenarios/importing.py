"""Clients that Keycloak had before the gateway: found, taken into the record as they are, and their uses learned from the realm's events."""

import json
import os
import subprocess

from .. import web
from ..scenario import equal, expect, scenario
from ..world import REPOSITORY, Gateway
from .keycloak import stored

REGISTRATION = "/realms/acme/clients-registrations/openid-connect"
TOKEN = "/realms/acme/protocol/openid-connect/token"
READER = "dcr-reader"


def token_at_keycloak(world, client_id, secret):
    """By the client credentials grant, past every gateway."""
    form = [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", secret)]
    answer = web.post(world.keycloak_url + TOKEN, form)
    equal(answer.status, 200, f"status of the token endpoint ({answer})")
    return answer.json()["access_token"]


def registered_before(world, name):
    """A client that registered at Keycloak itself, with a credential, before there was a gateway."""
    headers = web.bearer(token_at_keycloak(world, "dcr-gateway", world.secrets["keycloak client"]))
    asked = {
        "client_name": name,
        "redirect_uris": ["https://elsewhere.example.com/callback"],
        "grant_types": ["client_credentials", "authorization_code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "profile",
    }
    answer = web.request("POST", world.keycloak_url + REGISTRATION, asked, headers=headers)
    equal(answer.status, 201, f"status of Keycloak's registration ({answer})")
    return answer.json()


def administrator(world):
    """A client of the gateway's with the two roles, given by the script that operators run."""
    client = {
        "clientId": READER,
        "secret": world.secrets["keycloak client"],
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "publicClient": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": ["roles", "basic"],
    }
    world.keycloak_admin("/clients", "POST", client)
    kcadm, settings = world.dir / "keycloak/home/bin/kcadm.sh", world.run / "kcadm.config"
    login = ["config", "credentials", "--server", world.keycloak_url, "--realm", "master", "--user", "admin", "--password", world.secrets["keycloak admin"]]
    subprocess.run([kcadm, *login, "--config", settings], check=True, capture_output=True, timeout=120)
    # Every command of kcadm takes its settings by an option.
    wrapper = world.run / "kcadm"
    wrapper.write_text(f'#!/usr/bin/env bash\nexec "{kcadm}" "$@" --config "{settings}"\n')
    wrapper.chmod(0o700)
    script = [REPOSITORY / "deploy/keycloak/grant-admin-roles", "acme", READER, "manage-clients", "view-events"]
    done = subprocess.run(script, env={**os.environ, "KCADM": str(wrapper)}, capture_output=True, text=True, timeout=240)
    expect(done.returncode == 0, "grant-admin-roles failed:", done.stdout, done.stderr)


def gateway(world):
    if not hasattr(world, "import_gateway"):
        administrator(world)
        started = Gateway(world, "import", "/realms/acme", keycloak_issuer=world.keycloak_gateway.issuer)
        for name in ("client-secret", "reader-secret"):
            started.secret_file(name, world.secrets["keycloak client"])
        keep_events(world)
        started.start(world.keycloak_url)
        world.import_gateway = started
    return world.import_gateway


def doctor(world):
    """What `doctor` finds of the events; other problems of a trial realm are its own."""
    done = subprocess.run([world.binary, "doctor", "--json", "--config", gateway(world).config], capture_output=True, text=True, timeout=60)
    return [found["name"] for found in json.loads(done.stdout)["found"] if found["name"].startswith("events")]


def keep_events(world, on=True):
    types = ["LOGIN", "CODE_TO_TOKEN", "CLIENT_LOGIN", "REFRESH_TOKEN", "CLIENT_REGISTER"]
    world.keycloak_admin("/events/config", "PUT", {"eventsEnabled": on, "eventsExpiration": 86400, "enabledEventTypes": types})


def shown(world, client_id):
    return json.loads(gateway(world).command("--json", "clients", "show", client_id))


@scenario("Keycloak import: doctor says whether the realm keeps the events that tell of uses, by the role that the script gives")
def _(world):
    gateway(world)
    keep_events(world, on=False)
    equal(doctor(world), ["events_off"], "while the realm keeps none")
    keep_events(world)
    equal(doctor(world), [], "while it keeps them")


@scenario("Keycloak import: a client from before the gateway is found, and taken into the record without being touched")
def _(world):
    before = registered_before(world, "Here before")
    client_id = before["client_id"]
    there = stored(world, client_id)
    listed = json.loads(gateway(world).command("--json", "import", "--profile", "mcp"))["clients"]
    found = next(client for client in listed if client["client_id"] == client_id)
    equal((found["origin"], found["state"], found["client_name"]), ("registration", None, "Here before"), "(origin, state, name)")
    expect(any("elsewhere" in sentence or "client_credentials" in sentence for sentence in found["violations"]), "no rule would refuse", found)
    every = {c["client_id"]: c["origin"] for c in json.loads(gateway(world).command("--json", "import", "--every"))["clients"]}
    equal([every[name] for name in ("account", READER, "dcr-gateway")], ["server", "server", "by_hand"], "origins of others")
    taken = json.loads(gateway(world).command("--json", "import", "--take", client_id, "--profile", "mcp", "--comment", "here before us"))
    equal([client["result"] for client in taken["clients"]], ["imported"], "result")
    equal(stored(world, client_id), there, "the client at Keycloak")
    own = web.get(f"{world.keycloak_url}{REGISTRATION}/{client_id}", headers=web.bearer(before["registration_access_token"]))
    equal(own.status, 200, "what its own registration access token still opens at Keycloak")
    gateway(world).command("clients", "suspend", client_id)
    equal(stored(world, client_id)["enabled"], False, "enabled at Keycloak after a suspension")


@scenario("Keycloak import: a token that was taken past the gateway makes the last use known, by the realm's events")
def _(world):
    client = registered_before(world, "Used directly")
    gateway(world).command("import", "--take", client["client_id"], "--profile", "mcp")
    equal(shown(world, client["client_id"])["last_used_at"], None, "last use before any")
    token_at_keycloak(world, client["client_id"], client["client_secret"])
    expect(world.eventually(lambda: shown(world, client["client_id"])["last_used_at"]), "the use never became known")


@scenario("Keycloak import: what a client did before it was imported is known as soon as it is")
def _(world):
    client = registered_before(world, "Used long before")
    token_at_keycloak(world, client["client_id"], client["client_secret"])
    gateway(world).command("import", "--take", client["client_id"], "--profile", "mcp")
    expect(shown(world, client["client_id"])["last_used_at"], "the last use is not known")
