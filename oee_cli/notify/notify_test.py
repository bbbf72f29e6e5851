"""What `oee notify test` does."""

from __future__ import annotations

from oee_cli.api.client_http import session
from oee_cli.cli_errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean

#: Seconds that all targets may take.
_LIMIT_S = 60.0


def notify_targets(output: Output) -> ExitCode:
    with session(output) as client:
        output.note(f"telling whoever is set: each may take some seconds, all of them {_LIMIT_S:.0f} s")
        found = client.read("POST", "/api/notify/test", timeout=_LIMIT_S)["targets"]
    if not found:
        raise UsageFault(
            "Nobody is set who could be told.",
            hint="oee config set on_event /a/program, or notify and Apprise's URLs; then: oee daemon restart",
            code="nobody_to_tell",
        )
    if output.json:
        output.emit({"targets": found})
    for one in found:
        if one["error"] is not None:
            output.sentence("✗", clean(f"{one['target']} was not told: {one['error']}"))
        elif not output.json:
            output.say(f"✓ told {one['target']}")
    return ExitCode.DONE if all(one["error"] is None for one in found) else ExitCode.FAULT
