"""One trace, from the client to Keycloak, in a real Jaeger; an attack found there by its tag; nothing secret in it; nothing waits for it."""

import bisect
import json
import secrets
import urllib.parse

from .. import web
from ..registration import NATIVE, check_answer, check_refusal, endpoint, register
from ..scenario import equal, expect, scenario


def tag(thing, key):
    return next((t["value"] for t in thing["tags"] if t["key"] == key), None)


class Trace:
    def __init__(self, data):
        self.processes, self.spans = data["processes"], {s["spanID"]: s for s in data["spans"]}

    def service(self, span):
        return self.processes[span["processID"]]["serviceName"]

    def parent(self, span):
        return next((r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"), None)

    def ancestors(self, span):
        while span:
            span = self.spans.get(self.parent(span))
            if span:
                yield span

    def of(self, service, kind):
        return [s for s in self.spans.values() if self.service(s) == service and tag(s, "span.kind") == kind]

    def __str__(self):
        """The servers' and clients' spans, without Keycloak's calls to its database."""
        shown = [s for s in self.spans.values() if self.service(s) != "keycloak" or tag(s, "span.kind") == "server"]
        return "; ".join(f"{self.service(s)} {tag(s, 'span.kind')} {s['operationName']} {s['spanID']}<-{self.parent(s)}" for s in shown)


def traced(world, sampled="01", **more):
    """Registers with a traceparent of the client's own; returns the answer, the client's span and a function that finds the trace."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    answer = register(world.keycloak_gateway, headers={"traceparent": f"00-{trace}-{span}-{sampled}", "baggage": "secret=in-the-baggage"}, **more)

    def find():
        found = web.get(f"http://127.0.0.1:{world.jaeger_query}/api/traces/{trace}")
        return Trace(found.json()["data"][0]) if found.status == 200 else None

    return answer, span, find


@scenario("Jaeger: one trace holds the client's span, the gateway's server and client spans, and Keycloak's own")
def _(world):
    answer, client_span, find = traced(world, metadata={"client_name": "Traced"})
    check_answer(answer, NATIVE)
    complete = world.eventually(lambda: (t := find()) and t.of("keycloak", "server") and t.of("gateway-keycloak", "server") and t)
    expect(complete, "the trace did not become complete:", find())
    servers = complete.of("gateway-keycloak", "server")
    equal(len(servers), 1, f"server spans of the gateway ({complete})")
    equal(complete.parent(servers[0]), client_span, f"parent of the gateway's server span ({complete})")
    equal(tag(servers[0], "http.response.status_code"), 201, "http.response.status_code")
    equal(tag(servers[0], "dcr.decision"), "admit", "dcr.decision")
    for keycloak in complete.of("keycloak", "server"):
        above = list(complete.ancestors(keycloak))
        expect(
            above and complete.service(above[0]) == "gateway-keycloak" and tag(above[0], "span.kind") == "client",
            "Keycloak's span does not hang below the gateway's client span:",
            complete,
        )
        expect(servers[0] in above, "Keycloak's span does not hang below the gateway's server span:", complete)


@scenario("Jaeger: a refusal is traced with its reason, whatever the client's sampling flag says")
def _(world):
    answer, _, find = traced(world, sampled="00", metadata={"redirect_uris": ["javascript:alert(1)"]})
    check_refusal(answer, 400)
    trace = world.eventually(find)
    expect(trace, "no trace of the refusal")
    server = trace.of("gateway-keycloak", "server")[0]
    equal((tag(server, "dcr.decision"), tag(server, "http.response.status_code")), ("refuse", 400), "(dcr.decision, http.response.status_code)")
    expect(tag(server, "dcr.reason"), "no dcr.reason:", server["tags"])


def tagged(world, service, tags):
    """The query of docs/jaeger.md."""
    query = urllib.parse.urlencode({"service": service, "lookback": "1h", "tags": json.dumps(tags)})
    found = web.get(f"http://127.0.0.1:{world.jaeger_query}/api/traces?{query}")
    equal(found.status, 200, f"status of {query}")
    return [Trace(data) for data in found.json()["data"]]


@scenario("Jaeger: guessed tokens are found by the tag dcr.findings, in the trace of the guess that was the last straw")
def _(world):
    gateway, service = world.keycloak_gateway, "gateway-keycloak"
    equal(tagged(world, service, {"dcr.findings": "token_guessing"}), [], "findings before the attack")
    register_endpoint, answered = endpoint(gateway), {}
    for guess in range(30):
        answer = web.post(register_endpoint, NATIVE, headers=web.bearer(f"nobody-issued-this-{guess}"))
        check_refusal(answer, 401, "invalid_token")
        answered[answer.json()["request_id"]] = guess
    # Found again only as it becomes graver: from 0.5, 0.75 and, with the bad tokens of the scenarios before, 0.9.
    tags = {"dcr.findings": "token_guessing"}
    found = world.eventually(lambda: [traces for traces in [tagged(world, service, tags)] if len(traces) > 1])
    expect(found and len(found[0]) <= 3, "traces with the tag:", found)
    scores = []
    for trace in found[0]:
        spans = [s for s in trace.spans.values() if s["operationName"] == "dcr.finding"]
        equal(len(spans), 1, f"findings in the trace ({trace})")
        finding, server = spans[0], trace.of(service, "server")
        equal([s["spanID"] for s in server], [trace.parent(finding)], f"the finding's parent is the request's span ({trace})")
        equal(tag(server[0], "http.response.status_code"), 401, "http.response.status_code of the last straw")
        equal(tag(finding, "dcr.request.id"), tag(server[0], "dcr.request.id"), "dcr.request.id")
        # Which one it was depends on the bad tokens of the scenarios before.
        expect(tag(finding, "dcr.request.id") in answered, "the last straw was no guess of these:", tag(finding, "dcr.request.id"))
        equal(tag(finding, "dcr.finding.subject"), "network 127.0.0.0/24", "dcr.finding.subject")
        scores.append(tag(finding, "dcr.anomaly.score"))
    bands = [bisect.bisect([0.5, 0.75, 0.9], score) for score in sorted(scores)]
    equal(bands, [1, 2, 3][: len(bands)], f"how grave they are ({scores})")
    both = {"dcr.finding.subject": "network 127.0.0.0/24", **tags}
    equal(len(tagged(world, service, both)), len(tagged(world, service, tags)), "traces by both tags")
    metrics = web.get(f"http://127.0.0.1:{gateway.admin_port}/metrics").text
    expect('dcr_findings_total{detector="token_guessing",score="low"} 1' in metrics, "the metric does not count it:", metrics[-600:])


@scenario("Jaeger: no secret, no token and no body is in any trace of this run")
def _(world):
    services = web.get(f"http://127.0.0.1:{world.jaeger_query}/api/services").json()["data"]
    gateways = [s for s in services if s.startswith("gateway-")]
    equal(len(gateways), 13, f"gateways that sent traces ({services})")
    whole = own = ""  # all spans of these traces, Keycloak's too; the gateways' own
    for service in gateways:
        # Jaeger was started by this run, however long ago that is; of more traces it would show the newest alone.
        traces = web.get(f"http://127.0.0.1:{world.jaeger_query}/api/traces?service={service}&limit=1500&lookback=2d").json()["data"]
        expect(traces, "no traces of", service)
        expect(len(traces) < 1500, "Jaeger has more traces than are looked at of", service)
        whole += json.dumps(traces)
        for trace in map(Trace, traces):
            own += json.dumps([s for s in trace.spans.values() if trace.service(s) == service])
    hidden = dict(world.secrets)
    hidden |= {f"initial access token {i}": t for i, t in enumerate(world.initial_access_tokens)}
    hidden |= {f"token of the login {i}": t for i, t in enumerate(world.login_tokens)}
    hidden |= {"a bearer nobody issued": "nobody-issued-this", "the baggage": "in-the-baggage", "a body": "javascript:alert(1)"}
    leaked = [name for name, value in hidden.items() if value in whole]
    expect(not leaked, "found in the traces:", ", ".join(leaked))
    for begins in ("dcrm_", "authlib-"):
        expect(begins not in whole.replace("gateway-authlib", ""), "a management token that begins with", begins, "is in a trace")
    # Keycloak itself writes its login pages' queries into its spans, in which such text is; the gateway has no business to.
    at = own.find("eyJ")
    expect(at < 0, "something like a JWT is in a gateway's span: …" + own[max(0, at - 120) : at + 40])


@scenario("Jaeger stopped: the answers are the same")
def _(world):
    before = check_answer(register(world.keycloak_gateway, {"client_name": "With Jaeger"}), NATIVE)
    world.processes.stop("jaeger")
    after = check_answer(register(world.keycloak_gateway, {"client_name": "Without Jaeger"}), NATIVE)
    equal(set(after), set(before), "members of the answer")
    check_refusal(register(world.keycloak_gateway, {"redirect_uris": ["javascript:alert(1)"]}), 400)
    equal(web.get(world.keycloak_gateway.issuer).status, 200, "status of a forwarded path")
