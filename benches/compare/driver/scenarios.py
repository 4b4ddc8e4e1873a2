"""What is sent, and what must come back."""

from dataclasses import dataclass, field
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "proxies"
CONNECTIONS = 32


@dataclass(frozen=True)
class Scenario:
    name: str
    # For people.
    sentence: str
    status: int
    path: str
    method: str = "GET"
    headers: tuple = ()
    body: str = None
    certificate: str = "client"
    # Of a file that the driver makes.
    body_bytes: int = 0
    # Requests per second; none: as fast as the answers come.
    pace: int = None
    new_connections: bool = False
    # Who cannot do it: a bare Pingora refuses nobody.
    without: tuple = field(default=())

    @property
    def is_paced(self):
        return self.pace is not None


def scenarios(pace):
    registration = {"path": "/register", "method": "POST", "body": str(SOURCES / "request.json"), "headers": ("Content-Type: application/json",)}
    refusing = {**registration, "without": ("bare",)}
    # Of the gateway's own form, so that it is looked for in the store.
    bad_token = (*registration["headers"], f"Authorization: Bearer dcrt_{'A' * 43}")
    all_of_them = [
        Scenario("accepted", "an accepted registration", 201, **registration),
        Scenario("paced", f"the same, {pace} a second", 201, **registration, pace=pace),
        Scenario("bad_token", "refused: a token that nobody knows (401)", 401, **{**refusing, "headers": bad_token}),
        Scenario("throttled", "refused: above the certificate's limit (429)", 429, **refusing, certificate="throttled"),
        Scenario("get", "forwarded: GET", 200, "/something"),
        Scenario("post", "forwarded: POST of 64 KiB", 200, "/something", method="POST", body_bytes=64 * 1024),
        Scenario("handshake", "a new connection, mutual TLS, for every GET", 200, "/something", new_connections=True),
    ]
    return {scenario.name: scenario for scenario in all_of_them}
