"""PyPI Authlib has no call to register with; its session posts the body.   authlib_client.py ISSUER [INITIAL_ACCESS_TOKEN]

Registers a public client and builds its authorization URL; then a confidential one, which reads, changes and deletes itself (RFC 7592).
"""

import json
import sys

import requests
from authlib.integrations.requests_client import OAuth2Auth, OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url

issuer, tokens = sys.argv[1], sys.argv[2:]
metadata = requests.get(get_well_known_url(issuer, external=True), timeout=10).json()
assert metadata["issuer"] == issuer, metadata["issuer"]
session = OAuth2Session(token={"access_token": tokens[0], "token_type": "Bearer"} if tokens else None)


def register(**body):
    answer = session.post(metadata["registration_endpoint"], json=body, timeout=10, withhold_token=not tokens)
    answer.raise_for_status()
    return answer.json()


def managed(client, method, body=None):
    auth = OAuth2Auth({"access_token": client["registration_access_token"], "token_type": "Bearer"})
    answer = requests.request(method, client["registration_client_uri"], json=body, auth=auth, timeout=10)
    if answer.status_code not in (200, 204, 401):
        sys.exit(f"{method} of {body}: {answer.status_code} {answer.text}")
    return answer


redirect_uris = ["http://127.0.0.1:8766/callback"]
client = register(client_name="Authlib", redirect_uris=redirect_uris, token_endpoint_auth_method="none")
authorize, _ = OAuth2Session(client["client_id"], redirect_uri=client["redirect_uris"][0]).create_authorization_url(
    metadata["authorization_endpoint"]
)
own = register(client_name="Authlib", redirect_uris=redirect_uris, token_endpoint_auth_method="client_secret_basic")
read = managed(own, "GET")
not_sent_back = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
body = {name: value for name, value in read.json().items() if name not in not_sent_back}
changed = managed(read.json(), "PUT", {**body, "client_name": "Authlib, changed"})
deleted = managed(changed.json(), "DELETE")
statuses = [answer.status_code for answer in (read, changed, deleted, managed(changed.json(), "GET"))]
print(json.dumps({"client": client, "authorize": authorize, "managed": statuses, "changed": changed.json()}))
