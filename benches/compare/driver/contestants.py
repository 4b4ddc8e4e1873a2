"""Those who are compared, each a process or two on the proxy's core."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import certificates
from .processes import NotStarted, free_port, ran
from .scenarios import SOURCES

# In the order of the table. By default: those the aims are about.
ALL = {
    "bare": "bare Pingora",
    "memory": "gateway, record in memory",
    "sqlite": "gateway, SQLite",
    "postgresql": "gateway, PostgreSQL",
    "nginx": "nginx + Lua",
    "haproxy": "HAProxy + Lua",
    "envoy": "Envoy + Lua",
}
DEFAULT = ("bare", "memory", "sqlite", "nginx", "envoy")


@dataclass(frozen=True)
class Surroundings:
    """What all of them are started with."""

    processes: object
    directory: Path
    cores: object
    # Of executables, by name.
    tools: dict
    upstream: int
    collector: int

    def text(self, file, directory, port, **more):
        """A file of `proxies` with its names filled in."""
        values = {
            **more,
            "PORT": port,
            "DIRECTORY": directory,
            "CERTIFICATES": self.directory / "certificates",
            "SOURCES": SOURCES,
            "UPSTREAM": self.upstream,
            "COLLECTOR": self.collector,
            # Workers of nginx give up root, and could not read what is ours.
            "USER": "user root;" if os.getuid() == 0 else "",
        }
        text = (SOURCES / file).read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def made(self, name):
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))
        directory.chmod(0o755)
        return directory

    def nginx(self, name, file, core, **more):
        """A server that is nginx; its process and its port."""
        directory, port = self.made(name), free_port()
        (directory / "nginx.conf").write_text(self.text(file, directory, port, **more))
        process = self.processes.start(name, ["nginx", "-p", directory, "-c", "nginx.conf"], directory, core)
        process.wait_ready(port)
        return process, port


@dataclass
class Contestant:
    """One that runs."""

    name: str
    port: int
    parts: list
    directory: Path

    @property
    def pids(self):
        return [part.pid for part in self.parts]

    def stop(self, processes):
        for part in self.parts:
            processes.stop(part)
        shutil.rmtree(self.directory, ignore_errors=True)


def start(name, around):
    """Started afresh, with nothing in its record."""
    return {"nginx": _nginx, "haproxy": _haproxy, "envoy": _envoy}.get(name, _gateway)(name, around)


def _nginx(name, around):
    process, port = around.nginx(name, "nginx.conf", around.cores.proxy)
    return Contestant(name, port, [process], process.log.parent)


def _haproxy(name, around):
    directory, port = around.made(name), free_port()
    (directory / "haproxy.cfg").write_text(around.text("haproxy.cfg", directory, port))
    process = around.processes.start(name, ["haproxy", "-f", "haproxy.cfg"], directory, around.cores.proxy)
    process.wait_ready(port)
    return Contestant(name, port, [process], directory)


def _envoy(name, around):
    directory, port = around.made(name), free_port()
    parts = [f"local {part} = (function()\n{(SOURCES / part).with_suffix('.lua').read_text()}end)()\n" for part in ("json", "registration")]
    (directory / "filter.lua").write_text("".join(parts) + (SOURCES / "envoy.lua").read_text())
    throttled = certificates.fingerprint(around.directory / "certificates" / "throttled.pem")
    (directory / "envoy.yaml").write_text(around.text("envoy.yaml", directory, port, THROTTLED_HASH=throttled))
    argv = [around.tools["envoy"], "-c", "envoy.yaml", "--concurrency", "1", "-l", "warn", "--disable-hot-restart"]
    process = around.processes.start(name, argv, directory, around.cores.proxy)
    process.wait_ready(port)
    return Contestant(name, port, [process], directory)


def _gateway(name, around):
    directory, port = around.made(name), free_port()
    (directory / "credential").write_text("the-gateways-own-credential\n")
    (directory / "key").write_text(ran(["openssl", "rand", "-base64", "32"]))
    for secret in ("key", "credential"):
        (directory / secret).chmod(0o600)
    store, parts = "sqlite://gateway.db", []
    if name == "postgresql":
        server, store = _postgres(around, directory)
        parts.append(server)
    (directory / "gateway.yaml").write_text(around.text("gateway.yaml", directory, port, STORE=store))
    config = ["--config", "gateway.yaml"]
    ran([around.tools["gateway"], "keys", "audit", *config], cwd=directory)
    if name in ("bare", "memory"):
        argv = [around.tools["bench"], "serve", name, *config]
    else:
        argv = [around.tools["gateway"], "serve", *config]
    process = around.processes.start(name, argv, directory, around.cores.proxy)
    process.wait_ready(port)
    return Contestant(name, port, [*parts, process], directory)


def _postgres(around, directory):
    """A server of its own that flushes every commit, on the proxy's core: its time counts."""
    binaries, data = around.tools["postgresql"], directory / "postgresql"
    data.mkdir()
    owner = None
    if os.getuid() == 0:
        owner = "postgres"
        shutil.chown(data, owner, pwd.getpwnam(owner).pw_gid)
    made = [binaries / "initdb", "-D", data / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    ran(made, user=owner, cwd=data)
    argv = [binaries / "postgres", "-D", data / "data", "-k", data, "-c", "listen_addresses="]
    server = around.processes.start("postgres", argv, directory, around.cores.proxy, user=owner)
    ready = [binaries / "pg_isready", "-q", "-t", "30", "-h", data]
    for _ in range(200):
        if subprocess.run(ready).returncode == 0:
            break
        time.sleep(0.1)
    else:
        raise NotStarted(f"PostgreSQL is not ready:\n{server.tail()}")
    return server, f"postgres://postgres@localhost/postgres?host={data}"
