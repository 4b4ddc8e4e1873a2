"""Who is told of a client that waits for an approval, and of what became of it."""

import json

from .. import web
from ..registration import CONFIDENTIAL, check_answer, register
from ..scenario import equal, expect, scenario


def shown(world, client_id):
    """What Alertmanager holds for the client, as it shows it to people."""
    answer = web.get(f"{world.alertmanager}/api/v2/alerts?active=true")
    equal(answer.status, 200, "status of Alertmanager")
    return [alert for alert in answer.json() if alert["labels"].get("client") == client_id]


@scenario("Alertmanager: a client that waits for an approval is an alert there until somebody approves it")
def _(world):
    gateway = world.alerts_gateway
    client_id = check_answer(register(gateway, {**CONFIDENTIAL, "scope": "openid profile"}), CONFIDENTIAL)["client_id"]
    expect(world.eventually(lambda: shown(world, client_id)), "Alertmanager was not told")
    alert = shown(world, client_id)[0]
    equal((alert["labels"]["alertname"], alert["labels"]["profile"]), ("client_pending", "partners"), "(alertname, profile)")
    equal(alert["status"]["state"], "active", "state")
    equal(alert["generatorURL"], f"http://127.0.0.1:{gateway.admin_port}/console/#/clients/{client_id}", "the link")
    gateway.command("clients", "approve", client_id)
    expect(world.eventually(lambda: not shown(world, client_id)), "still an alert after the approval")


@scenario("A webhook: each message verifies by the example in the document, and says what waits and what became of it")
def _(world):
    gateway, hook = world.alerts_gateway, world.hook
    client_id = check_answer(register(gateway, {**CONFIDENTIAL, "client_name": "Planner & <3>", "scope": "openid profile"}), CONFIDENTIAL)["client_id"]
    expect(world.eventually(lambda: len(hook.notices(client_id)) == 1), "nobody said that it waits")
    gateway.command("clients", "reject", client_id, "--comment", "nobody knows it")
    expect(world.eventually(lambda: len(hook.notices(client_id)) == 2), "nobody said what became of it")
    waits, over = hook.notices(client_id)
    equal((waits["name"], waits["client_name"], over["name"]), ("client_pending", "Planner & <3>", "client_rejected"), "what was said")
    expect("nobody knows it" in over["sentence"], "the comment is not in", over["sentence"])
    expect(all(is_signed for is_signed, _ in hook.sent), "a signature does not verify")
    tried = json.loads(gateway.command("--json", "alerts", "test"))["tried"]
    equal([(t["receiver"], t["delivered"]) for t in tried], [("manager", True), ("hook", True)], "alerts test")
