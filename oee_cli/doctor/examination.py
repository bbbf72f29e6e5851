"""`oee doctor`: every check on the same facts, in the order in which a cause comes before what it causes.

A check that fails itself is a finding as well: the doctor ends with a diagnosis, whatever it meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from oee_cli.doctor.checks import (
    engine_checks,
    home_checks,
    leftover_checks,
    limit_checks,
    machine_checks,
    setting_checks,
)
from oee_cli.doctor.checks.doctor_facts import Facts, gather
from oee_cli.doctor.checks.findings import FAIL, OK, WARN, Finding, fail
from oee_cli.exit_codes import ExitCode, worst
from oee_cli.output import Output

CHECKS: tuple[Callable[[Facts], Iterable[Finding]], ...] = (
    setting_checks.settings,
    home_checks.home,
    home_checks.permissions,
    home_checks.disk,
    leftover_checks.leftovers,
    home_checks.wallet,
    machine_checks.versions,
    engine_checks.daemon,
    limit_checks.limits,
    machine_checks.port,
    engine_checks.clock,
    engine_checks.postgres,
    engine_checks.schema,
    engine_checks.queue,
    engine_checks.worker,
    engine_checks.orders,
    machine_checks.completion,
)


def run(output: Output) -> ExitCode:
    found = list(examine(gather(output)))
    code = worst(f.exit_code for f in found)
    if output.json:
        status = next((s for s in (FAIL, WARN) if any(f.status == s for f in found)), OK)
        output.emit({"status": status, "exitCode": code, "checks": [_as_dict(f) for f in found]})
    else:
        from oee_cli.doctor.diagnosis import draw

        draw(output, found)
    return code


def examine(facts: Facts) -> Iterator[Finding]:
    for check in CHECKS:
        try:
            yield from check(facts)
        except Exception as e:
            message = f"This check failed itself: {type(e).__name__}: {e}"
            yield fail(check.__name__, "internal", message, None, ExitCode.FAULT)


def _as_dict(found: Finding) -> dict[str, object]:
    return {
        "check": found.check,
        "status": found.status,
        "code": found.code,
        "message": found.message,
        "remedy": found.remedy,
    }
