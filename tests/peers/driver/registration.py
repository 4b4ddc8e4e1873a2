"""What every registration through the gateway has in common, whatever the server behind it."""

from . import web
from .scenario import equal, expect

NATIVE = {
    "client_name": "A native application",
    "redirect_uris": ["http://127.0.0.1:43210/callback"],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
}
CONFIDENTIAL = {**NATIVE, "client_name": "A confidential application", "token_endpoint_auth_method": "client_secret_basic"}


def endpoint(gateway):
    """Where a client is told to register."""
    metadata = web.get(gateway.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if metadata.status != 200:
        metadata = web.get(gateway.issuer.rstrip("/") + "/.well-known/oauth-authorization-server")
    equal(metadata.status, 200, "status of the metadata")
    return metadata.json()["registration_endpoint"]


def register(gateway, metadata=None, headers=None, **more):
    return web.post(endpoint(gateway), {**NATIVE, **(metadata or {})}, headers=headers, **more)


def check_answer(answer, asked):
    """RFC 7591 §3.2.1, and what the strict parsers of real clients want of it. A public client can be shared, so nobody gets a token to manage it."""
    equal(answer.status, 201, f"status ({answer})")
    client = answer.json()
    equal(answer.headers.get_content_type(), "application/json", "content type")
    expect("no-store" in (answer.headers["cache-control"] or ""), "cache-control is", answer.headers["cache-control"])
    expect(client.get("client_id"), "no client_id in", answer)
    equal(client.get("redirect_uris"), asked["redirect_uris"], "redirect_uris")
    for name, value in client.items():
        expect(value is not None and value != "", f"{name} is {value!r}")
    expect(answer.headers["location"] is None, "the server's Location reached the client:", answer.headers["location"])
    equal(client.get("token_endpoint_auth_method"), asked["token_endpoint_auth_method"], "token_endpoint_auth_method")
    if asked["token_endpoint_auth_method"] == "none":
        for name in ("client_secret", "registration_access_token", "registration_client_uri"):
            expect(name not in client, "a public client got", name)
    elif "client_secret" in client:
        expect("client_secret_expires_at" in client, "client_secret without client_secret_expires_at")
    return client


def check_refusal(answer, status, error=None):
    """The gateway's own JSON, never the server's page."""
    equal(answer.status, status, f"status ({answer})")
    equal(answer.headers.get_content_type(), "application/json", "content type")
    body = answer.json()
    expect(isinstance(body.get("error"), str) and isinstance(body.get("error_description"), str), "no error and error_description in", answer)
    expect(body.get("request_id"), "no request_id in", answer)
    if error:
        equal(body["error"], error, "error")
    return body
