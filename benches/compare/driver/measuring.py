"""One measurement: a scenario at a proxy, and what it took."""

import os
import time
from dataclasses import asdict

from . import load, machine


class Measuring:
    def __init__(self, around, oha, seconds):
        self.around, self.oha, self.seconds = around, oha, seconds

    def one(self, contestant, scenario, seconds=None):
        """What is measured; raises `load.Failed` when the answers are not what they should be."""
        seconds = seconds or self.seconds
        argv = load.command(self.oha, scenario, seconds, contestant.port, self.around.directory)
        ours = [*self.around.processes.pids(), os.getpid()]
        own, all_ours = machine.cpu_seconds(contestant.pids), machine.cpu_seconds(ours)
        busy, began = machine.busy_seconds(), time.monotonic()
        said = load.run(argv, self.around.cores.load)
        took = time.monotonic() - began
        busy = machine.busy_seconds() - busy
        own, all_ours = machine.cpu_seconds(contestant.pids) - own, machine.cpu_seconds(ours) - all_ours
        answers = load.read(said, scenario.status)
        return {
            **asdict(answers),
            "rate": answers.rate,
            "cpu_micros": own * 1e6 / answers.count,
            # Of the proxy's core.
            "busy": own / took,
            # What others had of the whole machine, in cores.
            "others": max(0.0, busy - all_ours) / took,
        }
