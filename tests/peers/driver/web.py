"""HTTP as the scenarios need it: exactly the bytes of the path that are given, no redirect followed, nothing retried."""

import base64
import http.client
import json
import urllib.parse


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"{self.status} is not JSON: {self.text[:200]!r}") from None

    def __str__(self):
        return f"{self.status} {self.text[:400]}"


def connection(url, context=None, timeout=30):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        c = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    else:
        c = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    c._validate_path = lambda _: None  # backslashes and the like must reach the server
    return c


def ask(open_connection, method, target, body=None, headers=None):
    """One exchange on a connection that may be used again. `body`: a dict is sent as JSON, text as it is, a list of pairs as a form."""
    headers = dict(headers or {})
    if isinstance(body, dict):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    elif isinstance(body, list):
        body = urllib.parse.urlencode(body)
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    open_connection.putrequest(method, target, skip_accept_encoding=True)
    data = body.encode() if isinstance(body, str) else body
    if data is not None:
        headers["content-length"] = str(len(data))
    for name, value in headers.items():
        open_connection.putheader(name, value)
    open_connection.endheaders(data)
    return Answer(open_connection.getresponse())


def request(method, url, body=None, headers=None, target=None, context=None, timeout=30, source=None):
    """`target` replaces the path and query of `url`, byte by byte; `source` is the address the connection comes from."""
    parts = urllib.parse.urlsplit(url)
    target = target or (parts.path or "/") + ("?" + parts.query if parts.query else "")
    c = connection(url, context, timeout)
    c.source_address = source and (source, 0)
    try:
        return ask(c, method, target, body, headers)
    finally:
        c.close()


def get(url, **more):
    return request("GET", url, **more)


def post(url, body=None, **more):
    return request("POST", url, body, **more)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def claims(jwt):
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
