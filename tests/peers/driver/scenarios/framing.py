"""What can be read in several ways is forwarded in one, or not at all."""

import os

from .. import framing
from ..scenario import expect, scenario


@scenario("framing: what nginx and Envoy make of each request otherwise is explained, and the gateway forwards nothing that can be read in two ways")
def _(world):
    table, problems = framing.compare(world)
    if os.environ.get("UPDATE_DOCS"):
        framing.DOCUMENT.write_text(table)
    expect(not problems, *problems)
    known = framing.DOCUMENT.read_text().splitlines()
    news = [line for line in table.splitlines() if line not in known]
    expect(table.splitlines() == known, "docs/framing.md is another one: UPDATE_DOCS=1 tests/peers/run framing writes it;", *news[:5])
