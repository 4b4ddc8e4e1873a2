"""What others' scanners say of the gateway's TLS and HTTP/2: sslyze, testssl.sh and h2spec, each at a listener. docs/tls.md is the record of it."""

import json
import os
import re
import shutil
import subprocess

from .processes import NotStarted

# docs/tls.md says of each why it stays.
KNOWN = {
    "cipher_order": "the client chooses among six suites that are all good",
    "HSTS": "the authorization server's to say",
    "security_headers": "the authorization server's to say",
}


# About testssl.sh's own openssl, which has no GOST on some machines.
NOT_OF_THE_LISTENER = {"engine_problem"}


def sslyze(world, port, *options):
    """What it found at a listener, and whether that is Mozilla's configuration."""
    report = world.run / f"sslyze-{port}.json"
    trust = world.authority.path("ca.pem")
    argv = [world.dir / "tls/venv/bin/sslyze", f"localhost:{port}", "--certinfo_ca_file", trust, "--json_out", report, *options]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120)
    server = json.loads(report.read_text())["server_scan_results"][0]
    if server["scan_status"] != "COMPLETED":
        raise AssertionError(f"sslyze: {server['connectivity_error_trace']} {done.stderr[-400:]}")
    verdict = re.search(rf"localhost:{port}: (.*)", done.stdout.partition("COMPLIANCE AGAINST")[2])
    details = done.stdout.partition("COMPLIANCE AGAINST")[2] if verdict and "FAILED" in verdict[1] else ""
    return server, (verdict[1] if verdict else "no verdict") + details


def facts(server):
    """The parts of a scan that the document promises."""
    found = server["scan_result"]

    def result(name):
        if found[name]["status"] != "COMPLETED":
            raise AssertionError(f"sslyze could not look at {name}: {found[name]['error_reason']}")
        return found[name]["result"]

    versions = {"SSL 2.0": "ssl_2_0", "SSL 3.0": "ssl_3_0", "TLS 1.0": "tls_1_0", "TLS 1.1": "tls_1_1", "TLS 1.2": "tls_1_2", "TLS 1.3": "tls_1_3"}
    suites = {name: sorted(s["cipher_suite"]["name"] for s in result(f"{key}_cipher_suites")["accepted_cipher_suites"]) for name, key in versions.items()}
    resumption = result("session_resumption")
    return {
        "suites": {version: accepted for version, accepted in suites.items() if accepted},
        "groups": sorted(group["name"] for group in result("elliptic_curves")["supported_curves"]),
        "resumed by session id": resumption["session_id_resumption_result"],
        "resumed by ticket": resumption["tls_ticket_resumption_result"],
        "early data": result("tls_1_3_early_data")["supports_early_data"],
        "compression": result("tls_compression")["supports_compression"],
        "heartbleed": result("heartbleed")["is_vulnerable_to_heartbleed"],
        "ccs injection": result("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"],
        "robot": result("robot")["robot_result"],
        "renegotiated by the client": result("session_renegotiation")["is_vulnerable_to_client_renegotiation_dos"],
    }


def testssl(world, port):
    """Everything it finds worse than good, by name. Not its looks at every suite and at the certificate, which take a minute: sslyze has those."""
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if program is None:
        raise NotStarted("testssl.sh is not installed (Debian: testssl.sh)")
    report = world.run / f"testssl-{port}.json"
    checks = ["-p", "-f", "-P", "-h", "-T", "-O", "-W", "-L", "-F", "-J", "-D"]
    quiet = ["--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--nodns", "min", "--openssl-timeout", "5"]
    output = ["--severity", "LOW", "--jsonfile", report, "--add-ca", world.authority.path("ca.pem")]
    argv = [program, *quiet, *output, *checks, f"https://localhost:{port}"]
    done = subprocess.run(
        [str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env={**os.environ, "TERM": "dumb"}
    )
    if "TLS 1.3" not in done.stdout or "Done" not in done.stdout:
        raise AssertionError(f"testssl.sh did not get through: {done.stdout[-400:]} {done.stderr[-400:]}")
    found = {finding["id"].split(" ")[0]: f"{finding['severity']}: {finding['finding']}" for finding in json.loads(report.read_text())}
    return {name: what for name, what in found.items() if name not in NOT_OF_THE_LISTENER}


def h2spec(world, port):
    """How many of its tests pass, and the report of those that do not."""
    argv = [world.dir / "h2spec/h2spec", "--tls", "--insecure", "--strict", "--host", "127.0.0.1", "--port", port, "--path", "/"]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300)
    counted = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    if counted is None:
        raise AssertionError(f"h2spec did not get through: {done.stdout[-400:]} {done.stderr[-400:]}")
    return tuple(map(int, counted.groups())), done.stdout.partition("Failures:")[2].strip()[:1500]
