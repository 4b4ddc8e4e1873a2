"""The world the scenarios live in: which processes there are, on which ports, with which secrets."""

import base64
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import string
import subprocess
import tempfile
import time

from . import web
from .authority import Authority
from .processes import NotStarted, Processes, answers, free_port, listens

HERE = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent


class Gateway:
    """One gateway process: the real executable, a configuration from config/."""

    def __init__(self, world, name, issuer_path="", replica_of=None, template=None, **values):
        self.world, self.name, self.template = world, name, replica_of.template if replica_of else template or name
        self.port, self.admin_port = free_port(), free_port()
        self.url = values.get("scheme", "http") + f"://127.0.0.1:{self.port}"
        self.public_url = replica_of.url if replica_of else self.url
        self.issuer = self.public_url + issuer_path
        self.directory = world.run / name
        self.directory.mkdir()
        self.values = values

    def secret_file(self, name, value):
        path = self.directory / name
        path.write_text(value)
        path.chmod(0o600)
        return path

    def configure(self, server_url):
        self.server_url = server_url
        template = string.Template((HERE / "config" / f"{self.template}.yaml").read_text())
        otlp = f"http://127.0.0.1:{self.world.jaeger_otlp}"
        self.config = self.directory / "config.yaml"
        known = {
            "public_url": self.public_url,
            "issuer": self.issuer,
            "port": self.port,
            "admin_port": self.admin_port,
            "server_url": server_url,
            "otlp": otlp,
            "directory": self.directory,
            "name": self.name,
        }
        self.config.write_text(template.substitute(known, **self.values))

    def start(self, server_url, env=None):
        self.configure(server_url)
        self.process = self.world.processes.start(
            f"gateway-{self.name}",
            [self.world.binary, "serve", "--config", self.config],
            answers(f"http://127.0.0.1:{self.admin_port}/readyz"),
            env=env,
            cwd=self.directory,
            seconds=20,
        )

    def command(self, *arguments, code=0):
        done = subprocess.run(
            [self.world.binary, *arguments, "--config", self.config], cwd=self.directory, capture_output=True, text=True, timeout=30
        )
        if done.returncode != code:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-400:]}")
        return done.stdout


class World:
    REALM = "acme"

    def __init__(self):
        self.dir = pathlib.Path(os.environ.get("DCR_PEERS_DIR") or REPOSITORY / "target/peers").resolve()
        self.binary = pathlib.Path(os.environ["DCR_GATEWAY_BIN"]).resolve()
        self.run = self.dir / "run"
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir(parents=True)
        self.processes, self.temporary = Processes(self.run), tempfile.TemporaryDirectory(prefix="dcr-peers-", ignore_cleanup_errors=True)
        self.node_directory = self.dir / "node"
        self.node = self.node_directory / "node_modules/.bin/node"  # the pinned one, whatever the system has
        self.python = self.dir / "python/venv/bin/python"
        # Made anew for each run; the tracing scenarios look for every one of them in the traces.
        self.secrets = {name: secrets.token_urlsafe(24) for name in ("keycloak client", "console client", "demo user", "keycloak admin", "authlib registration")}
        self.initial_access_tokens, self.login_tokens = [], []
        self.jaeger_otlp, self.jaeger_query, self.jaeger_health = free_port(), free_port(), free_port()

    # ---- the peers ----

    def start(self):
        from . import alerts, cognito  # they need what is in this module

        for folder in ("servers", "clients"):  # a module finds its packages from where it lies
            for script in (HERE / folder).glob("*.mjs"):
                shutil.copy(script, self.node_directory)
        self.keycloak_gateway = Gateway(self, "keycloak", f"/realms/{self.REALM}")
        keycloak = self._launch_keycloak()  # the slowest: everything else starts meanwhile
        self._start_jaeger()
        self._start_oidc_provider()
        self._start_authlib()
        self._start_mcp_router()
        self._start_replicas()
        cognito.start(self)
        self._start_console()
        alerts.start(self)
        self.mcp_resource = self._node_server("mcp_resource")
        keycloak.wait_ready(answers(f"http://127.0.0.1:{self.keycloak_health}/health/ready"), 240)
        self.keycloak_gateway.secret_file("client-secret", self.secrets["keycloak client"])
        self.keycloak_gateway.start(self.keycloak_url)
        self.approval_gateway = Gateway(self, "approval", f"/realms/{self.REALM}", keycloak_issuer=self.keycloak_gateway.issuer)
        self.approval_gateway.secret_file("client-secret", self.secrets["keycloak client"])
        self.approval_gateway.start(self.keycloak_url)

    def _start_jaeger(self):
        env = {"JAEGER_OTLP_PORT": str(self.jaeger_otlp), "JAEGER_QUERY_PORT": str(self.jaeger_query), "JAEGER_HEALTH_PORT": str(self.jaeger_health)}
        argv = [self.dir / "jaeger/jaeger", "--config", HERE / "config/jaeger.yaml"]
        self.processes.start("jaeger", argv, answers(f"http://127.0.0.1:{self.jaeger_health}/status"), env=env)

    def _node_server(self, script, **env):
        port = free_port()
        env = {"PORT": str(port), **{k: str(v) for k, v in env.items()}}
        self.processes.start(f"{script}-{port}", [self.node, f"{script}.mjs"], listens(port), env=env, cwd=self.node_directory)
        return f"http://127.0.0.1:{port}"

    def _start_oidc_provider(self):
        """The open server, once behind a plain gateway, once behind one that wants tokens, once behind one that wants client certificates."""
        self.oidc_gateway, self.tokens_gateway = Gateway(self, "oidc-provider"), Gateway(self, "tokens")
        self.mtls_gateway = Gateway(self, "mtls", scheme="https", optional_port=free_port(), required_port=free_port(), modern_port=free_port())
        self.authority = Authority(self.mtls_gateway.directory)
        for gateway in (self.oidc_gateway, self.tokens_gateway, self.mtls_gateway):
            gateway.start(self._node_server("oidc_provider", ISSUER=gateway.issuer))

    def _start_authlib(self):
        self.authlib_gateway, port = Gateway(self, "authlib"), free_port()
        self.authlib_gateway.secret_file("registration-token", self.secrets["authlib registration"])
        env = {"PORT": str(port), "ISSUER": self.authlib_gateway.issuer, "REGISTRATION_TOKEN": self.secrets["authlib registration"]}
        self.processes.start("authlib", [self.python, HERE / "servers/authlib_server.py"], listens(port), env=env)
        self.authlib_url = f"http://127.0.0.1:{port}"
        self.authlib_gateway.start(self.authlib_url)

    def _start_mcp_router(self):
        # This server writes its issuer with a slash at the end.
        self.router_gateway, self.router_limit = Gateway(self, "mcp-router", issuer_path="/"), 3
        self.router_gateway.start(self._node_server("mcp_auth_router", ISSUER=self.router_gateway.issuer, LIMIT=self.router_limit))

    def _start_console(self):
        """A gateway whose console can be signed in to: by three tokens, and with an account at Keycloak."""
        operators = {role: secrets.token_hex(32) for role in ("viewer", "approver", "administrator")}
        digests = {role: hashlib.sha256(token.encode()).hexdigest() for role, token in operators.items()}
        self.console_gateway = gateway = Gateway(self, "console", provider=self.keycloak_gateway.issuer, **digests)
        gateway.operators, gateway.console = operators, f"http://127.0.0.1:{gateway.admin_port}"
        gateway.secret_file("console-secret", self.secrets["console client"])
        gateway.start(self._node_server("oidc_provider", ISSUER=gateway.issuer))

    def _start_replicas(self):
        """Two gateways that are one: PostgreSQL holds their record, Redis counts for both; behind them an oidc-provider that keeps its tokens."""
        database, redis = self._start_postgres(), free_port()
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", redis, "--save", "", "--appendonly", "no", "--dir", self.run]
        self.processes.start("redis", argv, listens(redis))
        shared = {"database": database, "redis": f"redis://127.0.0.1:{redis}/0"}
        first = Gateway(self, "shared", **shared)
        second = Gateway(self, "shared-second", replica_of=first, **shared)
        self.replicas = [first, second]
        server = self._node_server("oidc_provider", ISSUER=first.issuer, ROTATE=0)
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        for gateway in self.replicas:
            gateway.secret_file("store.key", key)
            gateway.start(server)

    def _start_postgres(self):
        """Debian keeps its programs off the PATH, and they do not run as root: root lets Debian's own user run them, who sees only a directory of its own."""
        binaries = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
        if binaries is None:
            raise NotStarted("PostgreSQL is not installed (Debian: postgresql)")
        directory, port = pathlib.Path(self.temporary.name), free_port()
        user = "postgres" if os.getuid() == 0 else None
        if user:
            shutil.chown(directory, user, user)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        made = subprocess.run([binaries / "initdb", "-D", directory / "data", *options], cwd=directory, user=user, capture_output=True, text=True)
        if made.returncode != 0:
            raise NotStarted(f"initdb: {made.stderr.strip()[-400:]}")
        argv = [binaries / "postgres", "-D", directory / "data", "-k", directory, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        probe = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        self.processes.start("postgres", argv, lambda: subprocess.run(probe).returncode == 0, cwd=directory, user=user)
        return f"postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"

    def _launch_keycloak(self):
        home = self.dir / "keycloak/home"
        (home / "data/import").mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "deploy/keycloak/realm-acme.json", home / "data/import")
        port, self.keycloak_health = free_port(), free_port()
        self.keycloak_url = f"http://127.0.0.1:{port}"
        env = {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.secrets["keycloak admin"],
            "DCR_GATEWAY_CLIENT_SECRET": self.secrets["keycloak client"],
            "DEMO_USER_PASSWORD": self.secrets["demo user"],
            "JAVA_OPTS_KC_HEAP": "-Xms256m -Xmx768m",
        }
        options = [
            "--import-realm",
            "--db=dev-mem",
            "--http-host=127.0.0.1",
            f"--http-port={port}",
            f"--http-management-port={self.keycloak_health}",
            "--health-enabled=true",
            f"--hostname={self.keycloak_gateway.url}",
            "--proxy-headers=xforwarded",
            "--proxy-trusted-addresses=127.0.0.1",
            "--tracing-enabled=true",
            f"--tracing-endpoint=http://127.0.0.1:{self.jaeger_otlp}",
            "--tracing-sampler-type=parentbased_always_on",
        ]
        return self.processes.launch("keycloak", [home / "bin/kc.sh", "start-dev", *options], env=env)

    # ---- what scenarios ask for ----

    def client(self, script, *arguments, seconds=60):
        """Runs a real client to its end; the last line it prints is JSON."""
        argv = [self.python, HERE / "clients" / script] if script.endswith(".py") else [self.node, script]
        done = subprocess.run([str(a) for a in [*argv, *arguments]], cwd=self.node_directory, capture_output=True, text=True, timeout=seconds)
        if done.returncode != 0:
            raise AssertionError(f"{script} ended with {done.returncode}: {done.stderr.strip()[-1500:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def fixture(self, path):
        return (REPOSITORY / "tests/fixtures" / path).read_text()

    def keycloak_admin(self, path, method="GET", body=None):
        form = [("grant_type", "password"), ("client_id", "admin-cli"), ("username", "admin"), ("password", self.secrets["keycloak admin"])]
        token = web.post(f"{self.keycloak_url}/realms/master/protocol/openid-connect/token", form).json()["access_token"]
        answer = web.request(method, f"{self.keycloak_url}/admin/realms/{self.REALM}{path}", body, headers=web.bearer(token))
        assert answer.status in (200, 201, 204), answer
        return answer.json() if answer.body else None

    def eventually(self, look, seconds=60):
        """For what arrives by itself (spans): asks again until it is there."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.25)
