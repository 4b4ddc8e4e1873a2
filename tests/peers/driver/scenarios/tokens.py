"""Initial access tokens: made on the command line, used once."""

import json

from ..registration import NATIVE, check_answer, check_refusal, register
from ..scenario import equal, expect, scenario
from .. import web


def create(world, uses=1):
    printed = json.loads(world.tokens_gateway.command("tokens", "create", "--profile", "partners", "--ttl", "1h", "--uses", str(uses), "--json"))
    world.initial_access_tokens.append(printed["token"])
    return printed["token"]


@scenario("initial access token: used once it is 201, a second time 401")
def _(world):
    token = create(world)
    check_answer(register(world.tokens_gateway, headers=web.bearer(token)), NATIVE)
    answer = register(world.tokens_gateway, {"client_name": "Again"}, headers=web.bearer(token))
    check_refusal(answer, 401, "invalid_token")
    expect('error="invalid_token"' in (answer.headers["www-authenticate"] or ""), "www-authenticate is", answer.headers["www-authenticate"])


@scenario("initial access token: none, or one that nobody issued, is 401")
def _(world):
    answer = register(world.tokens_gateway)
    check_refusal(answer, 401)
    expect((answer.headers["www-authenticate"] or "").startswith("Bearer"), "www-authenticate is", answer.headers["www-authenticate"])
    check_refusal(register(world.tokens_gateway, headers=web.bearer("nobody-issued-this")), 401, "invalid_token")


@scenario("initial access token: a refused registration does not spend it")
def _(world):
    token = create(world)
    check_refusal(register(world.tokens_gateway, {"redirect_uris": ["https://evil.example/callback"]}, headers=web.bearer(token)), 400)
    check_answer(register(world.tokens_gateway, headers=web.bearer(token)), NATIVE)


@scenario("initial access token: openid-client presents one and registers")
def _(world):
    done = world.client("openid_client.mjs", world.tokens_gateway.issuer, create(world, uses=2))
    expect(done["client"]["client_id"], "no client_id in", done)
    equal(done["refusal_status"], 400, "status of the refusal")
