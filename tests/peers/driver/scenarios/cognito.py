"""A user pool by its API: what moto verifies, what AWS's model takes, and a login with a client that was registered through the gateway."""

import base64
import hashlib
import json
import secrets
import urllib.parse

from .. import web
from ..cognito import USER
from ..registration import CONFIDENTIAL, NATIVE, check_answer, check_refusal, register
from ..scenario import equal, expect, scenario

DOCUMENT = "/.well-known/oauth-authorization-server"


def registered(gateway, asked):
    return check_answer(web.post(gateway.url + "/register", asked), asked)


@scenario("Cognito: the metadata are the gateway's own, with S256, and there is no OpenID Connect")
def _(world):
    gateway = world.cognito
    metadata = web.get(gateway.url + DOCUMENT)
    equal(metadata.status, 200, "status")
    metadata = metadata.json()
    equal(metadata["issuer"], gateway.url, "issuer")
    equal(metadata["registration_endpoint"], gateway.url + "/register", "registration_endpoint")
    equal(metadata["authorization_endpoint"], gateway.server_url + "/oauth2/authorize", "authorization_endpoint")
    equal(metadata["token_endpoint"], gateway.url + "/oauth2/token", "token_endpoint")
    equal(metadata["code_challenge_methods_supported"], ["S256"], "code_challenge_methods_supported")
    check_refusal(web.get(gateway.url + "/.well-known/openid-configuration"), 404)


@scenario("Cognito: a confidential client registers, signed and permitted by the documented policy")
def _(world):
    asked = {**CONFIDENTIAL, "client_name": "Bob's app (\u00fc/\u00e9)", "client_uri": "https://app.example.com/", "scope": "openid orders/read"}
    client = registered(world.cognito, asked)
    expect(client["client_secret"] and client["registration_access_token"].startswith("dcrm_"), "not manageable:", client)
    equal(client["client_name"], asked["client_name"], "client_name")
    equal(client["client_uri"], asked["client_uri"], "client_uri")
    equal(client["scope"], "openid orders/read", "scope")


@scenario("Cognito: a public client registered twice is one app client")
def _(world):
    asked = {**NATIVE, "client_name": "Once"}
    equal(registered(world.cognito, asked)["client_id"], registered(world.cognito, asked)["client_id"], "client_id")


@scenario("Cognito: a client is read, changed and deleted with the gateway's token")
def _(world):
    client = registered(world.cognito, {**CONFIDENTIAL, "client_name": "Managed", "contacts": ["ops@example.com"]})
    url, token = client["registration_client_uri"], web.bearer(client["registration_access_token"])
    expect(url.startswith(world.cognito.url + "/register/"), "registration_client_uri is", url)
    read = web.get(url, headers=token)
    equal(read.status, 200, f"status of the read ({read})")
    for name in ("client_id", "client_secret", "redirect_uris", "contacts", "client_name", "scope"):
        equal(read.json().get(name), client[name], name)
    changed = {**CONFIDENTIAL, "client_id": client["client_id"], "client_name": "Changed", "redirect_uris": ["http://127.0.0.1:1234/new"]}
    answer = web.request("PUT", url, changed, headers=token)
    equal(answer.status, 200, f"status of the change ({answer})")
    equal(web.get(url, headers=token).json()["redirect_uris"], ["http://127.0.0.1:1234/new"], "redirect_uris at the pool")
    public = {**changed, "token_endpoint_auth_method": "none"}
    check_refusal(web.request("PUT", url, public, headers=token), 400, "invalid_client_metadata")
    equal(web.request("DELETE", url, headers=token).status, 204, "status of the deletion")
    check_refusal(web.get(url, headers=token), 401, "invalid_token")


@scenario("Cognito: a scope that no resource server of the pool has is refused by name")
def _(world):
    body = check_refusal(register_at(world.cognito, {"client_name": "Writer", "scope": "openid orders/write"}), 400)
    expect("orders/write" in body["error_description"], "not named in", body)


def register_at(gateway, more):
    return web.post(gateway.url + "/register", {**NATIVE, **more})


@scenario("Cognito: nothing that was sent is outside AWS's model, which does refuse what AWS refuses")
def _(world):
    equal(web.get(world.cognito_api + "/refused").json(), [], "refused by the model")
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSCognitoIdentityProviderService.CreateUserPoolClient"}
    for members in ({"ClientName": "Bob's <app>"}, {"ClientName": "x" * 129}, {"ClientName": "x", "Nothing": 1}, {"ClientName": "x", "AllowedOAuthFlows": ["device"]}):
        answer = web.post(f"{world.cognito_api}/", json.dumps({"UserPoolId": "eu-central-1_x", **members}), headers=headers)
        equal(answer.status, 400, f"status of {members}")
        expect("InvalidParameterException" in answer.text, answer)


@scenario("Cognito: with a key that AWS does not take nothing is registered, and the registrant is not told why")
def _(world):
    answer = register_at(world.cognito_wrong_key, {"client_name": "Nobody"})
    body = check_refusal(answer, answer.status)
    expect(answer.status in (502, 503), "status is", answer)
    expect("AWS" not in answer.text and "ignature" not in answer.text, "tells of the inside:", body)
    listed = json.loads(world.cognito_wrong_key.command("registrations", "list", "--json"))
    expect("unknown" not in json.dumps(listed), "an outcome is unknown:", listed)


@scenario("Cognito: the pool's own registration endpoint is closed")
def _(world):
    for path in ("/oauth2/register", "/oauth2//register", "/oauth2/%72egister"):
        answer = web.request("POST", world.cognito.url, NATIVE, target=path)
        expect(answer.status in (400, 403), path, "was answered with", answer)


@scenario("Cognito: somebody signs in with a client that was registered through the gateway, until it is deleted")
def _(world):
    gateway = world.cognito_login
    # Confidential, so that it can be deleted; cognito-local asks for no secret.
    client = registered(gateway, {**CONFIDENTIAL, "client_name": "Login", "scope": "openid email"})
    metadata = web.get(gateway.url + DOCUMENT).json()
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "response_type": "code",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "scope": "openid email",
        "state": "s",
    }
    page = metadata["authorization_endpoint"] + "?" + urllib.parse.urlencode(asked)
    equal(web.get(page).status, 200, "status of the login page")
    other_port = {**asked, "redirect_uri": "http://127.0.0.1:9/callback"}
    equal(web.get(metadata["authorization_endpoint"] + "?" + urllib.parse.urlencode(other_port)).status, 400, "status for another port")
    signed_in = web.post(metadata["authorization_endpoint"], [*asked.items(), ("username", USER["name"]), ("password", USER["password"])])
    equal(signed_in.status, 302, f"status after the password ({signed_in})")
    answered = urllib.parse.parse_qs(urllib.parse.urlsplit(signed_in.headers["location"]).query)
    form = [("grant_type", "authorization_code"), ("code", answered["code"][0]), ("redirect_uri", asked["redirect_uri"])]
    tokens = web.post(metadata["token_endpoint"], [*form, ("client_id", client["client_id"]), ("code_verifier", verifier)])
    equal(tokens.status, 200, f"status of the token endpoint ({tokens})")
    claims = web.claims(tokens.json()["access_token"])
    equal(claims["client_id"], client["client_id"], "client_id of the access token")
    expect(claims["iss"] != metadata["issuer"], "the tokens carry the issuer of the pool, not of the metadata:", claims["iss"])
    deleted = web.request("DELETE", client["registration_client_uri"], headers=web.bearer(client["registration_access_token"]))
    equal(deleted.status, 204, f"status of the deletion ({deleted})")
    equal(web.get(page).status, 400, "status of the login page afterwards")
