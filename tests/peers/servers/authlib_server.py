"""An authorization server made of PyPI Authlib, in memory, on loopback: the second, independent implementation of RFC 7591 and 7592.

    PORT=… ISSUER=<the gateway's public URL> REGISTRATION_TOKEN=… authlib_server.py

It differs where the specifications let it: it asks for a bearer token (and answers 400 access_denied without one), gives a secret even to public
clients, echoes nothing but what was sent, keeps one management token for good (it begins with "authlib-"), and answers in HTML when a request is not JSON. Its metadata carries two members that would lead clients
round the gateway: client_id_metadata_document_supported and signed_metadata.
"""

import os
import secrets

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7592 import ClientConfigurationEndpoint
from flask import Flask, jsonify, request as flask_request

PORT, ISSUER, TOKEN = int(os.environ["PORT"]), os.environ["ISSUER"], os.environ["REGISTRATION_TOKEN"]
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "response_types_supported": ["code"],
    "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
    "scopes_supported": ["openid", "profile", "mcp:tools"],
    "code_challenge_methods_supported": ["S256"],
    "client_id_metadata_document_supported": True,
    "signed_metadata": "eyJhbGciOiJub25lIn0.e30.",
}
CLIENTS, MANAGEMENT_TOKENS = {}, {}


class Client(ClientMixin):
    def __init__(self, info, metadata):
        self.client_info, self.client_metadata = info, metadata

    def get_client_id(self):
        return self.client_info["client_id"]

    def check_client_secret(self, value):
        return secrets.compare_digest(self.client_info["client_secret"], value)


class ManagementToken(str):
    def check_client(self, client):
        return MANAGEMENT_TOKENS.get(str(self)) == client.get_client_id()


def bearer(request):
    scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
    return value if scheme.lower() == "bearer" else None


def management(client, token):
    return {"registration_client_uri": f"{ISSUER}/register/{client.get_client_id()}", "registration_access_token": token}


class Registration(ClientRegistrationEndpoint):
    def get_server_metadata(self):
        return METADATA

    def authenticate_token(self, request):
        value = bearer(request)
        return value if value and secrets.compare_digest(value, TOKEN) else None

    def save_client(self, client_info, client_metadata, request):
        client = Client(client_info, client_metadata)
        CLIENTS[client_info["client_id"]] = client
        return client

    def generate_client_registration_info(self, client, request):
        token = f"authlib-{secrets.token_urlsafe(32)}"
        MANAGEMENT_TOKENS[token] = client.get_client_id()
        return management(client, token)


class Configuration(ClientConfigurationEndpoint):
    def get_server_metadata(self):
        return METADATA

    def authenticate_token(self, request):
        value = bearer(request)
        return ManagementToken(value) if value in MANAGEMENT_TOKENS else None

    def authenticate_client(self, request):
        return CLIENTS.get(flask_request.view_args["client_id"])

    def check_permission(self, client, request):
        return True

    def revoke_access_token(self, request, token):
        MANAGEMENT_TOKENS.pop(token, None)

    def update_client(self, client, client_metadata, request):
        client.client_metadata = client_metadata
        return client

    def delete_client(self, client, request):
        del CLIENTS[client.get_client_id()], MANAGEMENT_TOKENS[request.credential]

    def generate_client_registration_info(self, client, request):
        return management(client, request.credential)


app = Flask(__name__)
server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=lambda token, request: None)
server.register_endpoint(Registration)
server.register_endpoint(Configuration)


@app.post("/register")
def register():
    return server.create_endpoint_response("client_registration")


@app.route("/register/<client_id>", methods=["GET", "PUT", "DELETE"])
def configure(client_id):
    return server.create_endpoint_response("client_configuration")


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/authorize")
def authorize():
    return f"authorize {flask_request.args.get('client_id', '')}"


@app.get("/.well-known/oauth-authorization-server")
@app.get("/.well-known/openid-configuration")
def metadata():
    return jsonify(METADATA)


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    app.run(host="127.0.0.1", port=PORT, threaded=True)
