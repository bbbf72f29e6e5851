"""`oee doctor`: every check on the same facts, in the order in which a cause comes before what it causes.

A check that fails itself is a finding as well: the doctor ends with a diagnosis, whatever it meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from oee_cli.doctor.checks import (
    doctor_endpoints,
    doctor_engine,
    doctor_feeds,
    doctor_home,
    doctor_leftovers,
    doctor_limits,
    doctor_machine,
    doctor_settings,
    doctor_wallet,
)
from oee_cli.doctor.checks.doctor_facts import Facts, gather_facts
from oee_cli.doctor.checks.doctor_finding import FAIL, OK, WARN, Finding, fail
from oee_cli.exit_codes import ExitCode, worst_exit_code
from oee_cli.output import Output

CHECKS: tuple[Callable[[Facts], Iterable[Finding]], ...] = (
    doctor_settings.check_settings,
    doctor_home.check_home,
    doctor_home.check_permissions,
    doctor_home.check_disk,
    doctor_leftovers.check_leftovers,
    doctor_wallet.check_wallet,
    doctor_machine.check_versions,
    doctor_engine.check_daemon,
    doctor_limits.check_limits,
    doctor_machine.check_port,
    doctor_engine.check_clock,
    doctor_engine.check_postgres,
    doctor_engine.check_schema,
    doctor_engine.check_queue,
    doctor_engine.check_worker,
    doctor_engine.check_orders,
    doctor_endpoints.check_endpoints,
    doctor_feeds.check_feeds,
    doctor_machine.check_completion,
)


def run_doctor(output: Output) -> ExitCode:
    found = list(run_checks(gather_facts(output)))
    code = worst_exit_code(f.exit_code for f in found)
    if output.json:
        status = next((s for s in (FAIL, WARN) if any(f.status == s for f in found)), OK)
        output.emit({"status": status, "exitCode": code, "checks": [_finding_as_dict(f) for f in found]})
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


def _finding_as_dict(found: Finding) -> dict[str, object]:
    return {
        "check": found.check,
        "status": found.status,
        "code": found.code,
        "message": found.message,
        "remedy": found.remedy,
    }
