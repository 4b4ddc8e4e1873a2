"""Starts the peers and the gateways, waits until each is ready, and stops them by their pid: nothing else on the machine is touched."""

import os
import signal
import socket
import subprocess
import time

from . import web


class NotStarted(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    def __init__(self, name, argv, log, env=None, cwd=None, user=None):
        self.name, self.log = name, log
        with open(log, "wb") as out:
            # A group of its own: Keycloak's and npm's scripts have children.
            self.popen = subprocess.Popen(
                argv,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def tail(self, lines=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def wait_ready(self, ready, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise NotStarted(f"{self.name} was not ready after {seconds} s:\n{self.tail()}")

    def reload(self):
        self.popen.send_signal(signal.SIGHUP)

    def stop(self, seconds=15):
        if self.popen.poll() is not None:
            return
        os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


class Processes:
    def __init__(self, logs):
        self.logs, self.running = logs, []

    def start(self, name, argv, ready, seconds=30, **how):
        process = self.launch(name, argv, **how)
        process.wait_ready(ready, seconds)
        return process

    def launch(self, name, argv, **how):
        process = Process(name, [str(a) for a in argv], self.logs / f"{name}.log", **how)
        self.running.append(process)
        return process

    def stop(self, name):
        """Stops one and says nothing when it is not there."""
        for process in [p for p in self.running if p.name == name]:
            process.stop()
            self.running.remove(process)

    def stop_all(self):
        for process in self.running:  # all are asked at once, then waited for
            if process.popen.poll() is None:
                os.killpg(process.popen.pid, signal.SIGTERM)
        for process in reversed(self.running):
            process.stop()
        self.running.clear()


def answers(url, status=200):
    return lambda: web.get(url, timeout=2).status == status


def listens(port):
    def ready():
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    return ready
