"""The commands of `oee notify`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.lazy_commands import PlainCommand, group
from oee_cli.output import Output

notify_app = group(
    """Who is told what happens while you are away.

    OEE_ON_EVENT is a program, OEE_NOTIFY are Apprise's URLs. Each is told what fired, was confirmed,
    failed, expired or latched, and a halt.

    \b
      oee notify test
      oee notify test --json
    """
)


@notify_app.command("test", cls=PlainCommand)
def notify_targets(json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:
    """Tell everybody who is set, now.

    \b
      oee notify test
      oee notify test --json
    """
    from oee_cli.notify.notify_test import notify_targets

    return notify_targets(Output(json, no_color=no_color))
