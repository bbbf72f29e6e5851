"""`oee doctor`: every check on the same facts, in the order in which a cause comes before what it causes.

A check that fails itself is a finding as well: the doctor ends with a diagnosis, whatever it meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from oee_cli.doctor.checks import (
    check_endpoints,
    check_engine,
    check_feeds,
    check_home,
    check_leftovers,
    check_limits,
    check_machine,
    check_settings,
    check_wallet,
)
from oee_cli.doctor.checks.check_facts import Facts, gather_facts
from oee_cli.doctor.checks.check_finding import FAIL, OK, WARN, Finding, fail
from oee_cli.exit_codes import ExitCode, worst_exit_code
from oee_cli.output import Output

CHECKS: tuple[Callable[[Facts], Iterable[Finding]], ...] = (
    check_settings.check_settings,
    check_home.check_home,
    check_home.check_permissions,
    check_home.check_disk,
    check_leftovers.check_leftovers,
    check_wallet.check_wallet,
    check_machine.check_versions,
    check_engine.check_daemon,
    check_limits.check_limits,
    check_machine.check_port,
    check_engine.check_clock,
    check_engine.check_postgres,
    check_engine.check_schema,
    check_engine.check_queue,
    check_engine.check_worker,
    check_engine.check_orders,
    check_endpoints.check_endpoints,
    check_feeds.check_feeds,
    check_machine.check_completion,
)


def run_doctor(output: Output) -> ExitCode:
    found = list(run_checks(gather_facts(output)))
    code = worst_exit_code(f.exit_code for f in found)
    if output.json:
        status = next((s for s in (FAIL, WARN) if any(f.status == s for f in found)), OK)
        # What other commands would end with is told once, for all of them.
        checks = [{name: told for name, told in f._asdict().items() if name != "exit_code"} for f in found]
        output.emit({"status": status, "exitCode": code, "checks": checks})
    else:
        from oee_cli.doctor.doctor_diagnosis import draw_findings

        draw_findings(output, found)
    return code


def run_checks(facts: Facts) -> Iterator[Finding]:
    for check in CHECKS:
        try:
            yield from check(facts)
        except Exception as e:
            message = f"This check failed itself: {type(e).__name__}: {e}"
            yield fail(check.__name__.removeprefix("check_"), "internal", message, None, ExitCode.FAULT)
