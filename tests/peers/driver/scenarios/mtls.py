"""Client certificates at three TLS listeners of one gateway (not asked for, asked for, insisted on), and one that is revoked while its connection is open."""

import ssl
import subprocess
import urllib.parse

from .. import web
from ..registration import check_answer, check_refusal
from ..scenario import equal, expect, scenario

ASKED = {
    "client_name": "A partner",
    "redirect_uris": ["https://app.example.com/callback"],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
}


def at(world, listener):
    return f"https://127.0.0.1:{world.mtls_gateway.values[listener + '_port']}" if listener else world.mtls_gateway.url


def curl(world, certificate=None, listener="required"):
    """Registers with curl; returns its exit code and the status it saw."""
    ca = world.authority
    argv = [
        "curl",
        "-sS",
        "--cacert",
        ca.path("ca.pem"),
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        "content-type: application/json",
        "-d",
        '{"client_name":"curl","redirect_uris":["https://app.example.com/callback"],"token_endpoint_auth_method":"none"}',
    ]
    if certificate:
        argv += ["--cert", ca.path(f"{certificate}.pem"), "--key", ca.path(f"{certificate}.key")]
    done = subprocess.run([*argv, f"{at(world, listener)}/reg"], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def context(world, certificate):
    ca = world.authority
    made = ssl.create_default_context(cafile=ca.path("ca.pem"))
    made.load_cert_chain(ca.path(f"{certificate}.pem"), ca.path(f"{certificate}.key"))
    return made


def refused(seen):
    """In the handshake, or by an answer."""
    code, status = seen
    return code != 0 or status in ("400", "401", "403")


@scenario("mTLS: metadata names the listener for clients with a certificate")
def _(world):
    trust = ssl.create_default_context(cafile=world.authority.path("ca.pem"))
    metadata = web.get(f"{world.mtls_gateway.url}/.well-known/openid-configuration", context=trust).json()
    equal(metadata["registration_endpoint"], f"{world.mtls_gateway.url}/reg", "registration_endpoint")
    equal(metadata.get("mtls_endpoint_aliases"), {"registration_endpoint": at(world, "required") + "/reg"}, "mtls_endpoint_aliases")


@scenario("mTLS: a partner's certificate registers where it is asked for and where it is insisted on")
def _(world):
    for listener in ("optional", "required"):
        equal(curl(world, "partner", listener), (0, "201"), f"curl at the listener that says {listener}")


@scenario("mTLS: without a certificate nobody registers, at any listener")
def _(world):
    for listener in ("", "optional"):
        code, status = curl(world, None, listener)
        expect(code == 0 and status in ("401", "403"), f"listener {listener or 'off'}: exit {code}, status {status}")
    expect(refused(curl(world)), "the listener that insists let it pass")


@scenario("mTLS: a certificate of the same CA for another name is refused")
def _(world):
    code, status = curl(world, "stranger")
    expect(code == 0 and status in ("401", "403"), f"exit {code}, status {status}")


@scenario("mTLS: a certificate of a CA that is not trusted is refused")
def _(world):
    for listener in ("optional", "required"):
        seen = curl(world, "foreign", listener)
        expect(refused(seen), f"listener {listener}: {seen}")


@scenario("mTLS: a Client-Cert header that the caller made up is not believed")
def _(world):
    pem = world.authority.path("partner.pem").read_text()
    forged = "".join(line for line in pem.splitlines() if "CERTIFICATE" not in line)
    trust = ssl.create_default_context(cafile=world.authority.path("ca.pem"))
    for name, value in (
        ("client-cert", f":{forged}:"),
        ("ssl-client-cert", urllib.parse.quote(pem)),
        ("x-forwarded-client-cert", f'Cert="{urllib.parse.quote(pem)}"'),
    ):
        answer = web.post(f"{at(world, 'optional')}/reg", ASKED, headers={name: value}, context=trust)
        expect(answer.status in (401, 403), name, answer)


@scenario("mTLS: a certificate revoked by a reload is refused, on a connection that is already open and on a new one")
def _(world):
    made = context(world, "revoked")
    connection = web.connection(at(world, "required"), made)
    try:
        check_answer(web.ask(connection, "POST", "/reg", ASKED), ASKED)
        world.authority.revoke("revoked")
        world.mtls_gateway.process.reload()

        def no_longer_registers():
            try:
                answer = web.ask(connection, "POST", "/reg", {**ASKED, "client_name": "Revoked"})
            except (OSError, web.http.client.HTTPException):
                return "closed"
            return answer if answer.status != 201 else None

        seen = world.eventually(no_longer_registers, 10)
        expect(seen, "the open connection still registers after the reload")
        if seen != "closed":
            check_refusal(seen, seen.status)
            expect(seen.status in (401, 403), seen)
    finally:
        connection.close()
    for listener in ("optional", "required"):
        seen = curl(world, "revoked", listener)
        expect(refused(seen), f"a new connection to the listener that says {listener}: {seen}")
    equal(curl(world, "partner"), (0, "201"), "the other partner")


@scenario("mTLS: a broken revocation list changes nothing")
def _(world):
    path = world.authority.path("ca.crl")
    good = path.read_text()
    path.write_text("not a revocation list\n")
    world.mtls_gateway.process.reload()
    try:
        equal(curl(world, "partner"), (0, "201"), "a partner after the broken reload")
        seen = curl(world, "revoked")
        expect(refused(seen), f"the revoked one after the broken reload: {seen}")
    finally:
        path.write_text(good)
        world.mtls_gateway.process.reload()
