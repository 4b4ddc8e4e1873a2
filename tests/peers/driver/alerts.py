"""Who is told: Debian's Alertmanager, and a webhook that verifies what it gets by the example in docs/alerts.md."""

import http.server
import json
import secrets
import shutil
import threading

from .processes import NotStarted, answers, free_port
from .world import HERE, REPOSITORY, Gateway

ALERTMANAGER = "prometheus-alertmanager"


def documented_verify():
    """The function that docs/alerts.md gives to whoever receives webhooks."""
    document = (REPOSITORY / "docs/alerts.md").read_text()
    scope = {}
    exec(document.split("```python\n")[1].split("```")[0], scope)
    return scope["verify"]


class Hook:
    """Keeps what it is sent, and whether the signature is right."""

    def __init__(self):
        self.secret, self.sent = secrets.token_urlsafe(32), []
        verify, hook = documented_verify(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.sent.append((verify(hook.secret, self.headers, body), json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/dcr"

    def notices(self, client_id):
        return [notice for _, body in self.sent for notice in body["data"]["notices"] if notice["about"]["id"] == client_id]


def start(world):
    program, port = shutil.which(ALERTMANAGER), free_port()
    if program is None:
        raise NotStarted(f"{ALERTMANAGER} is not installed (Debian: {ALERTMANAGER})")
    world.alertmanager = f"http://127.0.0.1:{port}"
    argv = [program, f"--config.file={HERE}/config/alertmanager.yml", f"--storage.path={world.run}/alertmanager"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    world.processes.start("alertmanager", argv, answers(f"{world.alertmanager}/-/ready"))
    world.hook = Hook()
    gateway = world.alerts_gateway = Gateway(world, "alerts", alertmanager=world.alertmanager, webhook=world.hook.url)
    gateway.secret_file("webhook", world.hook.secret)
    gateway.start(world._node_server("oidc_provider", ISSUER=gateway.issuer, ROTATE=0))
