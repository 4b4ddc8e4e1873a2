"""TLS and HTTP/2 as others' tools see them; docs/tls.md says the same in words."""

from .. import tls
from ..scenario import equal, expect, scenario

AEAD = ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"]
TLS_1_3 = [f"TLS_{cipher}" for cipher in AEAD]
TLS_1_2 = [f"TLS_ECDHE_ECDSA_WITH_{cipher}" for cipher in AEAD]
VERSIONS = ["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"]
WEAKNESSES = ["--resum", "--early_data", "--compression", "--heartbleed", "--openssl_ccs", "--robot", "--reneg", "--elliptic_curves"]


def listeners(world):
    """The ports at which certificates are not asked for, asked for, insisted on, and at which there is TLS 1.3 only."""
    gateway = world.mtls_gateway
    return gateway.port, *(gateway.values[f"{name}_port"] for name in ("optional", "required", "modern"))


def promised(suites):
    nothing = {"resumed by session id": "NOT_SUPPORTED", "resumed by ticket": "NOT_SUPPORTED", "early data": False, "compression": False}
    nothing |= {"heartbleed": False, "ccs injection": False, "robot": "NOT_VULNERABLE_RSA_NOT_SUPPORTED", "renegotiated by the client": False}
    return {"suites": suites, "groups": ["X25519", "secp256r1", "secp384r1"], **nothing}


@scenario("tls: sslyze finds Mozilla's intermediate configuration at every listener, and nothing but what docs/tls.md says")
def _(world):
    off, optional, required, _modern = listeners(world)
    partner = ["--cert", world.authority.path("partner.pem"), "--key", world.authority.path("partner.key")]
    for port, asks, options in ((off, "DISABLED", []), (optional, "OPTIONAL", []), (required, None, partner)):
        server, verdict = tls.sslyze(world, port, *VERSIONS, *WEAKNESSES, "--mozilla_config", "intermediate", *options)
        equal(tls.facts(server), promised({"TLS 1.2": TLS_1_2, "TLS 1.3": TLS_1_3}), f"at port {port}")
        expect(verdict.startswith("OK"), verdict)
        expect(asks in (None, server["connectivity_result"]["client_auth_requirement"]), "client certificates are", server["connectivity_result"])


@scenario("tls: sslyze finds Mozilla's modern configuration where minimum_version is tls1.3")
def _(world):
    port = listeners(world)[3]
    server, verdict = tls.sslyze(world, port, *VERSIONS, "--mozilla_config", "modern")
    expect(verdict.startswith("OK"), verdict)
    accepted = {name: found["result"]["accepted_cipher_suites"] for name, found in server["scan_result"].items() if name.endswith("_cipher_suites")}
    equal([name for name, suites in accepted.items() if suites], ["tls_1_3_cipher_suites"], "versions that are spoken")


@scenario("tls: testssl.sh finds nothing worse than what docs/tls.md explains")
def _(world):
    found = tls.testssl(world, listeners(world)[0])
    expect("HSTS" in found, "it did not find what is known:", found)
    unknown = {name: what for name, what in found.items() if name not in tls.KNOWN}
    expect(not unknown, unknown)


@scenario("tls: h2spec finds HTTP/2 as the standard has it, by all of its tests, the strict ones too")
def _(world):
    off, optional, _required, modern = listeners(world)
    for port in (off, optional, modern):
        # Some of its tests send a request and then a frame that must be refused: an answer that is there before the frame ends the stream first.
        for _ in range(3):
            (tests, passed, _skipped, _failed), failures = tls.h2spec(world, port)
            if passed == tests:
                break
        expect(passed == tests and tests > 140, f"{passed} of {tests}, three times:", failures)
