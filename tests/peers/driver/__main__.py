"""Starts the world, runs every scenario, says how each went, and stops what it started.   python3 -m driver [WORDS: only scenarios with these in their sentence]"""

import signal
import sys
import time
import traceback

from . import scenarios  # noqa: F401  (registers them)
from .processes import NotStarted
from .scenario import SCENARIOS
from .world import World


def interrupted(number, _frame):
    raise SystemExit(128 + number)


def run_all(world, words):
    failed = passed = 0
    for sentence, function in SCENARIOS:
        if not all(word in sentence for word in words):
            continue
        try:
            function(world)
            passed += 1
            print(f"ok {sentence}", flush=True)
        except Exception as error:
            failed += 1
            why = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            place = traceback.extract_tb(error.__traceback__)[-1]
            for frame in traceback.extract_tb(error.__traceback__):
                if "/scenarios/" in frame.filename:
                    place = frame
            print(f"FAILED {sentence}: {why} [{place.filename.rsplit('/', 1)[-1]}:{place.lineno}]", flush=True)
    return passed, failed


def main(words):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    world, began = World(), time.monotonic()
    try:
        try:
            world.start()
        except NotStarted as error:
            print(f"FAILED to start: {error}\n0 passed, 1 failed", flush=True)
            return 1
        print(f"peers: all started in {time.monotonic() - began:.0f} s", flush=True)
        passed, failed = run_all(world, words)
        print(f"{passed} passed, {failed} failed", flush=True)
        return 1 if failed or not passed else 0
    finally:
        world.processes.stop_all()


sys.exit(main(sys.argv[1:]))
