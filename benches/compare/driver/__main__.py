"""`python3 -m driver`: everything in turns. What it does and does not measure: docs/performance.md."""

import argparse
import datetime
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import certificates, contestants, document, drawing, load, machine, measuring, table, tools
from .processes import NotStarted, Processes, free_port
from .results import FLOOR, QUIET, Results
from .scenarios import scenarios

DOCUMENT = tools.REPOSITORY / "docs" / "performance.md"
PICTURE = tools.REPOSITORY / "docs" / "compare.svg"
MARK = "side by side"


def arguments():
    parser = argparse.ArgumentParser(prog="benches/compare/run", description=__doc__)
    listed = lambda text: text.split(",")
    parser.add_argument("--all", action="store_true", help="HAProxy, and the gateway on PostgreSQL, too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--pace", type=int, default=1000, help="registrations a second where latencies are taken")
    parser.add_argument("--only", type=listed, default=[], metavar="NAME,…", help=", ".join(contestants.ALL))
    parser.add_argument("--scenarios", type=listed, default=[], metavar="NAME,…", help=", ".join(scenarios(1)))
    parser.add_argument("--debug", action="store_true", help="a debug build, to see that it works; its numbers mean nothing and are written nowhere else")
    parser.add_argument("--noisy", action="store_true", help="write the documents although others use the machine; the table says how much")
    parser.add_argument("--from", dest="earlier", type=Path, metavar="results.json", help="measure nothing: table and picture of what was measured")
    wanted = parser.parse_args()
    for name in wanted.only:
        if name not in contestants.ALL:
            parser.error(f"--only: there is no {name}; there are {', '.join(contestants.ALL)}")
    for name in wanted.scenarios:
        if name not in scenarios(1):
            parser.error(f"--scenarios: there is no {name}; there are {', '.join(scenarios(1))}")
    return wanted


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped
    wanted = arguments()
    if wanted.earlier:
        return tell(json.loads(wanted.earlier.read_text()), wanted)
    names = wanted.only or [name for name in contestants.ALL if wanted.all or name in contestants.DEFAULT]
    without = []
    try:
        found, names = get_ready(wanted, names, without)
    except (tools.Missing, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}")
    cores = machine.Cores.of_this_machine()
    is_quiet = wait_until_quiet()
    directory = Path(tempfile.mkdtemp(prefix="dcr-compare-"))
    directory.chmod(0o755)
    processes = Processes()
    began = datetime.datetime.now(datetime.timezone.utc)
    try:
        certificates.make(directory / "certificates")
        around = contestants.Surroundings(processes, directory, cores, found, 0, 0)
        count = free_port()
        _, upstream = around.nginx("upstream", "upstream.conf", cores.beside)
        _, collector = around.nginx("collector", "collector.conf", cores.beside, COUNT=count)
        around = contestants.Surroundings(processes, directory, cores, found, upstream, collector)
        measurements, memory = in_turns(names, wanted, around, without)
        exports = subprocess.run(["curl", "-s", f"http://127.0.0.1:{count}/"], capture_output=True, text=True).stdout
    except NotStarted as error:
        sys.exit(f"{error}")
    finally:
        processes.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    facts = {
        "date": f"{began:%Y-%m-%d}",
        "commit": commit(),
        "machine": machine.describe(),
        "versions": tools.versions(names, found.get("envoy"), found["gateway"]),
        "rounds": wanted.rounds,
        "seconds": wanted.seconds,
        "pace": wanted.pace,
        "without": list(dict.fromkeys(without)),
        "exports": exports.splitlines(),
        "is_debug": wanted.debug,
        "was_quiet": is_quiet,
        "is_whole": not wanted.scenarios and set(contestants.DEFAULT) <= set(names),
    }
    tell({"facts": facts, "measurements": measurements, "memory": memory}, wanted)


def get_ready(wanted, names, without):
    """The tools, and who can be measured with them."""
    tools.HOME.mkdir(parents=True, exist_ok=True)
    tools.packages(names)
    postgres = tools.postgres()
    if "postgresql" in names and not postgres:
        names = [name for name in names if name != "postgresql"]
        without.append("PostgreSQL, which is not installed")
    gateway, bench = tools.build(wanted.debug)
    found = {"gateway": gateway, "bench": bench, "postgresql": postgres, "oha": tools.oha()}
    if "envoy" in names:
        found["envoy"] = tools.envoy()
    return found, names


def wait_until_quiet(seconds=60):
    """Whether nobody else uses the machine; waits a while for what the build left behind."""
    for _ in range(seconds // 2):
        busy = machine.busy_seconds()
        time.sleep(2)
        if (used := (machine.busy_seconds() - busy) / 2) < QUIET:
            return True
    print(f"the machine is not quiet: others use {used:.2f} of a core", file=sys.stderr)
    return False


def in_turns(names, wanted, around, without):
    """In every round each proxy is started afresh and takes every scenario; the order of proxies turns with the rounds."""
    measure = measuring.Measuring(around, around.tools["oha"], wanted.seconds)
    all_scenarios = scenarios(wanted.pace)
    chosen = [all_scenarios[name] for name in wanted.scenarios or all_scenarios]
    measurements, memory = [], []
    for number in range(wanted.rounds):
        at = number % len(names)
        running = [contestants.start(name, around) for name in names[at:] + names[:at]]
        try:
            idle = {contestant.name: machine.memory_mib(contestant.pids) for contestant in running}
            for contestant in running:  # connections to the upstream, code and caches that are cold
                measure.one(contestant, all_scenarios["accepted"], seconds=1)
            for scenario in chosen:
                for contestant in running:
                    if contestant.name in scenario.without:
                        continue
                    if scenario.new_connections and certificates.resumes(contestant.port, around.directory / "certificates"):
                        without.append(f"new connections to {contestants.ALL[contestant.name]}, which resumes sessions")
                        continue
                    measurements.append(measured(measure, contestant, scenario, number))
            for contestant in running:
                memory.append({"proxy": contestant.name, "round": number, "before": idle[contestant.name], "after": machine.memory_mib(contestant.pids)})
        finally:
            for contestant in running:
                contestant.stop(around.processes)
    return measurements, memory


def measured(measure, contestant, scenario, number):
    known = {"round": number, "proxy": contestant.name, "scenario": scenario.name}
    if scenario.status == 429:
        # What the limit lets through comes first, and is not measured.
        settle(measure, contestant, scenario)
    try:
        one = {**known, **measure.one(contestant, scenario)}
    except load.Failed as failed:
        print(f"{number} {scenario.name:<10} {contestant.name:<10} FAILED {failed}", flush=True)
        return {**known, "failed": str(failed)}
    told = f"{one['rate']:10.0f}/s {one['cpu_micros']:8.1f} µs  p99 {one['p99']:8.3f} ms  busy {one['busy']:4.0%}  others {one['others']:.2f}"
    print(f"{number} {scenario.name:<10} {contestant.name:<10} {told}", flush=True)
    return one


def settle(measure, contestant, scenario):
    try:
        measure.one(contestant, scenario, seconds=1)
    except load.Failed:
        pass


def commit():
    said = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=tools.REPOSITORY, capture_output=True, text=True)
    return said.stdout.strip() or "unknown sources"


def tell(measured_, wanted):
    """Results, table and picture below target/compare; in the documents, where they may stand there."""
    facts, results = measured_["facts"], Results(measured_["measurements"], measured_["memory"])
    caption = f"Beside a bare Pingora (1, the dashed line); medians of {facts['rounds']} rounds, {facts['date']}"
    text, picture = table.whole(results, facts), drawing.svg(results, caption)
    tools.HOME.mkdir(parents=True, exist_ok=True)
    (tools.HOME / "results.json").write_text(json.dumps(measured_, indent=1))
    (tools.HOME / "table.md").write_text(text + "\n")
    (tools.HOME / "compare.svg").write_text(picture)
    print(f"\n{text}\n")
    failures = results.failures()
    for failure in failures:
        print(f"FAILED {failure}")
    against = [
        reason
        for reason, holds in (
            ("it was a debug build", facts["is_debug"]),
            ("not everything was measured", not facts["is_whole"] or bool(failures)),
            (f"others had {results.others():.2f} of a core (--noisy writes all the same)", not wanted.noisy and results.others() > QUIET),
        )
        if holds
    ]
    if against:
        print(f"{tools.HOME}/results.json, table.md, compare.svg; the documents are as they were: {'; '.join(against)}")
    else:
        DOCUMENT.write_text(document.replaced(DOCUMENT.read_text(), MARK, text))
        PICTURE.write_text(picture)
        print(f"written: {DOCUMENT}, {PICTURE}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
