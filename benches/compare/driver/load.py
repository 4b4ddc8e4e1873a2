"""The load: oha with a client certificate, on its own core."""

import json
import subprocess
from dataclasses import dataclass

from .scenarios import CONNECTIONS


class Failed(Exception):
    pass


@dataclass(frozen=True)
class Answers:
    count: int
    seconds: float
    # In milliseconds.
    p50: float
    p99: float
    p999: float

    @property
    def rate(self):
        return self.count / self.seconds


def command(oha, scenario, seconds, port, directory):
    certificates = directory / "certificates"
    argv = [oha, "--no-tui", "--output-format", "json", "--worker-threads", "1", "-c", CONNECTIONS, "-z", f"{seconds}s"]
    argv += ["--cacert", certificates / "ca.pem", "--ipv4", "--disable-compression", "--redirect", "0"]
    argv += ["--cert", certificates / f"{scenario.certificate}.pem", "--key", certificates / f"{scenario.certificate}.key"]
    argv += ["-m", scenario.method]
    for header in scenario.headers:
        argv += ["-H", header]
    if scenario.body:
        argv += ["-D", scenario.body]
    if scenario.body_bytes:
        file = directory / f"{scenario.body_bytes}.octets"
        if not file.exists():
            file.write_bytes(b"0123456789abcdef" * (scenario.body_bytes // 16))
        argv += ["-D", file]
    if scenario.is_paced:
        # From when it should have been sent: an answer that is late makes others late.
        argv += ["-q", scenario.pace, "--latency-correction"]
    if scenario.new_connections:
        argv += ["--disable-keepalive"]
    argv.append(f"https://localhost:{port}{scenario.path}")
    return [str(a) for a in argv]


def run(argv, cores):
    """What oha says when it is done."""
    done = subprocess.run(["taskset", "-c", ",".join(map(str, cores)), *argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"oha: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def read(said, status):
    """The answers, all of which must have this status."""
    answered = {int(code): count for code, count in said["statusCodeDistribution"].items()}
    # What is under way at the end is given up.
    errors = {error: count for error, count in said.get("errorDistribution", {}).items() if "deadline" not in error}
    if not answered and not errors:
        raise Failed("not one answer in time")
    if set(answered) != {status} or errors:
        raise Failed(f"answers {answered}, errors {errors}: {status} was expected")
    percentile = said["latencyPercentiles"]
    return Answers(
        count=answered[status],
        seconds=said["summary"]["total"],
        p50=percentile["p50"] * 1000,
        p99=percentile["p99"] * 1000,
        p999=percentile["p99.9"] * 1000,
    )
