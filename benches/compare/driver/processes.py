"""Starts processes, each on its core, waits until they are ready, and stops them by their pid: nothing else on the machine is touched."""

import os
import signal
import socket
import subprocess
import time


class NotStarted(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ran(argv, **how):
    """Runs it to its end; what it wrote."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)
    if done.returncode != 0:
        raise NotStarted(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Process:
    def __init__(self, name, argv, directory, core, user=None):
        self.name, self.log = name, directory / f"{name}.log"
        with open(self.log, "wb") as out:
            self.popen = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, argv)],
                cwd=directory,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.popen.pid

    def wait_ready(self, port, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise NotStarted(f"{self.name} was not ready after {seconds} s:\n{self.tail()}")

    def tail(self, lines=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def stop(self, seconds=20):
        if self.popen.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.popen.wait()


class Processes:
    def __init__(self):
        self.running = []

    def start(self, name, argv, directory, core, user=None):
        process = Process(name, argv, directory, core, user)
        self.running.append(process)
        return process

    def pids(self):
        return [process.pid for process in self.running]

    def stop(self, process):
        process.stop()
        self.running.remove(process)

    def stop_all(self):
        for process in self.running:  # all are asked at once, then waited for
            if process.popen.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self.running):
            process.stop()
        self.running.clear()
