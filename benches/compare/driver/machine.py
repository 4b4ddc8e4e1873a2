"""What the machine does: its cores, the time and the memory of processes, and how much of it belongs to others. Linux only."""

import os
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """One core for the proxy that is measured; what it works with is elsewhere."""

    proxy: int
    beside: int
    load: tuple

    @staticmethod
    def of_this_machine():
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("two cores are needed: one for the proxy, one for the load")
        if len(cores) == 2:
            return Cores(proxy=cores[1], beside=cores[0], load=(cores[0],))
        return Cores(proxy=cores[-1], beside=cores[-2], load=tuple(cores[:-2]))


def _stat(pid):
    """The parent, and the seconds of processor time, those of ended children among them."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK


def tree(pid):
    """The process and everything it started."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(_stat(entry)[0], []).append(int(entry))
            except (OSError, ValueError):
                continue  # it ended just now
    found, open_ends = [], [pid]
    while open_ends:
        found.append(open_ends.pop())
        open_ends += children.get(found[-1], [])
    return found


def cpu_seconds(pids):
    """Of the processes and all they started."""
    total = 0.0
    for pid in {one for root in pids for one in tree(root)}:
        try:
            total += _stat(pid)[1]
        except OSError:
            continue
    return total


def memory_mib(pids):
    """What the processes and all they started hold; what several share is divided among them."""
    kib = 0
    for pid in {one for root in pids for one in tree(root)}:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


def busy_seconds():
    """Of all cores together, whoever used them."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICK


def describe():
    """The processor, the cores, the memory, the kernel: what numbers from here are good for."""
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    gib = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {gib:.0f} GiB, Linux {os.uname().release}"
