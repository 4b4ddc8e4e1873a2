"""Cognito's two emulators, and the gateways in front of them: moto, which verifies signatures and permissions, behind AWS's own model; and
cognito-local, at which people can sign in."""

import json
import subprocess

from . import web
from .processes import free_port, listens
from .world import HERE, REPOSITORY, Gateway

USER = {"name": "alice@example.com", "password": "Correct-horse-7"}


def start(world):
    _start_moto(world)
    _start_login(world)


def _start_moto(world):
    binaries = world.dir / "cognito/venv/bin"
    moto, layer = free_port(), free_port()
    world.processes.start("moto", [binaries / "moto_server", "-H", "127.0.0.1", "-p", moto], listens(moto))
    env = {"PORT": str(layer), "UPSTREAM": f"http://127.0.0.1:{moto}"}
    world.processes.start("cognito-model", [binaries / "python", HERE / "servers/cognito_model.py"], listens(layer), env=env)
    argv = [binaries / "python", HERE / "servers/cognito_setup.py", f"http://127.0.0.1:{moto}", REPOSITORY]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"cognito_setup.py ended with {done.returncode}: {done.stderr[-800:]}"
    made = json.loads(done.stdout)
    world.cognito_api = f"http://127.0.0.1:{layer}"
    world.cognito = Gateway(world, "cognito", pool=made["pool"])
    world.cognito.start(world.cognito_api, env=_credential(world, made["key"], made["secret"]))
    world.cognito_wrong_key = Gateway(world, "cognito-wrong-key", template="cognito", pool=made["pool"])
    world.cognito_wrong_key.start(world.cognito_api, env=_credential(world, made["key"], made["secret"][::-1]))


def _start_login(world):
    port = free_port()
    data = world.run / "cognito-local"
    data.mkdir()
    script = world.node_directory / "node_modules/cognito-local/lib/bin/start.js"
    env = {"HOST": "127.0.0.1", "PORT": str(port)}
    world.processes.start("cognito-local", [world.node, script], listens(port), env=env, cwd=data)
    world.cognito_local = f"http://127.0.0.1:{port}"
    pool = call(world, "CreateUserPool", {"PoolName": "acme"})["UserPool"]["Id"]
    user = {"UserPoolId": pool, "Username": USER["name"]}
    email = [{"Name": "email", "Value": USER["name"]}]
    call(world, "AdminCreateUser", {**user, "UserAttributes": email, "MessageAction": "SUPPRESS"})
    call(world, "AdminSetUserPassword", {**user, "Password": USER["password"], "Permanent": True})
    world.cognito_login = Gateway(world, "cognito-login", template="cognito", pool=pool)
    world.cognito_login.start(world.cognito_local, env=_credential(world, "local", "local"))


def call(world, operation, members):
    """cognito-local takes calls unsigned."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"AWSCognitoIdentityProviderService.{operation}"}
    answer = web.post(f"{world.cognito_local}/", json.dumps(members), headers=headers)
    assert answer.status == 200, f"{operation}: {answer}"
    return answer.json()


def _credential(world, key, secret):
    nowhere = str(world.run / "no-such-file")  # nothing of this machine's own
    files = {"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_EC2_METADATA_DISABLED": "true"}
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, **files}
