"""`oee doctor`: every check on the same facts, in the order in which a cause comes before what it causes.

A check that fails itself is a finding as well: the doctor ends with a diagnosis, whatever it meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from oee_cli.doctor.checks import (
    doctor_endpoints,
    doctor_limits,
    engine_checks,
    feed_checks,
    home_checks,
    leftover_checks,
    machine_checks,
    setting_checks,
    wallet_checks,
)
from oee_cli.doctor.checks.doctor_facts import Facts, gather_facts
from oee_cli.doctor.checks.findings import FAIL, OK, WARN, Finding, fail
from oee_cli.exit_codes import ExitCode, worst_exit_code
from oee_cli.output import Output

CHECKS: tuple[Callable[[Facts], Iterable[Finding]], ...] = (
    setting_checks.check_settings,
    home_checks.check_home,
    home_checks.check_permissions,
    home_checks.check_disk,
    leftover_checks.check_leftovers,
    wallet_checks.check_wallet,
    machine_checks.check_versions,
    engine_checks.check_daemon,
    doctor_limits.check_limits,
    machine_checks.check_port,
    engine_checks.check_clock,
    engine_checks.check_postgres,
    engine_checks.check_schema,
    engine_checks.check_queue,
    engine_checks.check_worker,
    engine_checks.check_orders,
    doctor_endpoints.check_endpoints,
    feed_checks.check_feeds,
    machine_checks.check_completion,
)


def run_doctor(output: Output) -> ExitCode:
    found = list(run_checks(gather_facts(output)))
    code = worst_exit_code(f.exit_code for f in found)
    if output.json:
        status = next((s for s in (FAIL, WARN) if any(f.status == s for f in found)), OK)
        output.emit({"status": status, "exitCode": code, "checks": [_finding_as_dict(f) for f in found]})
    else:
        from oee_cli.doctor.diagnosis import draw_findings

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
