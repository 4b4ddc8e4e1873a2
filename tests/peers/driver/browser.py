"""A user at a browser, as far as Keycloak's login and consent pages need one: cookies, one form at a time, redirects followed until a loopback client takes over."""

import base64
import hashlib
import html.parser
import http.server
import secrets
import threading
import urllib.parse

from . import web


class _Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "form":
            self.forms.append({"id": a.get("id"), "action": a.get("action"), "fields": {}})
        elif tag in ("input", "button") and self.forms and a.get("name"):
            self.forms[-1]["fields"][a["name"]] = a.get("value") or ""


class Browser:
    def __init__(self):
        self.cookies = {}
        self.visited = []

    def _exchange(self, method, url, form=None):
        self.visited.append(url)
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        answer = web.request(method, url, form, headers=headers)
        for cookie in answer.headers.get_all("set-cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def open(self, url):
        return self._follow(url, self._exchange("GET", url))

    def submit(self, page, form_id, **values):
        """Sends the form of the page that was opened last, with what the user typed or clicked."""
        parser = _Forms()
        parser.feed(page.text)
        forms = [f for f in parser.forms if form_id in (f["id"], None)]
        assert forms, f"no form {form_id!r} on the page {self.visited[-1]}: {page.status} {[f['id'] for f in parser.forms]}"
        url = urllib.parse.urljoin(self.visited[-1], forms[0]["action"])
        fields = {k: v for k, v in forms[0]["fields"].items() if k not in ("accept", "cancel")}
        return self._follow(url, self._exchange("POST", url, list({**fields, **values}.items())))

    def _follow(self, url, answer):
        while answer.status in (302, 303):
            url = urllib.parse.urljoin(url, answer.headers["location"])
            answer = self._exchange("GET", url)
        return answer


class LoopbackClient:
    """A native application's listener (RFC 8252 §7.3): a port the system chose, one request, the code taken from it."""

    def __init__(self, path="/callback"):
        received = self.received = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urllib.parse.urlsplit(self.path)
                received.update(urllib.parse.parse_qsl(parts.query), path=parts.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"You may close this window.")

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.redirect_uri = f"http://127.0.0.1:{self.server.server_port}{path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.verifier = secrets.token_urlsafe(48)

    def authorization_url(self, endpoint, client_id, scope):
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": "s",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return endpoint + "?" + urllib.parse.urlencode(query)

    def tokens(self, token_endpoint, client_id, secret=None):
        form = [
            ("grant_type", "authorization_code"),
            ("code", self.received["code"]),
            ("redirect_uri", self.redirect_uri),
            ("client_id", client_id),
            ("code_verifier", self.verifier),
            *([("client_secret", secret)] if secret else []),
        ]
        answer = web.post(token_endpoint, form)
        assert answer.status == 200, answer
        return answer.json()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
