"""The daemon and what it says of itself: servers, schema, queue, worker, orders, clock.

Where it does not run, what can be known without it: whether servers outside answer, and what would keep it
from starting.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

from oee_cli.api.client_processes import is_process_stopped
from oee_cli.cli_errors import CliError
from oee_cli.doctor.checks import check_outside_servers
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.doctor.checks.check_outside_servers import Ask
from oee_cli.text.amount_text import counted
from oee_cli.text.time_text import minute_text, parse_moment, span_text
from oee_daemon.contract.protocol import VERSION
from oee_daemon.contract.setting_protection import OF_WORKERS, is_kept
from oee_daemon.contract.setting_table import masked

#: Seconds by which a clock may have been set; and by which two may differ beside what the answer took: orders
#: begin at moments.
_CLOCK_SET, _CLOCKS_DIFFER = 2.0, 0.25
#: Nothing here was made before this moment, seconds since 1970: 1 January 2026.
_BEFORE_US = 1_767_225_600
#: Seconds that a due order may wait for a worker.
_PATIENCE = 30.0
#: Seconds in which a worker's thread is done with an order, or lets go of it.
_HANGS = 120.0
#: The oldest versions that are known to do.
_OLDEST = {"postgres": 15, "valkey": 8, "redis": 7}


def check_daemon(facts: Facts) -> Iterator[Finding]:
    status = facts.status
    if status is None:
        yield from _explain_no_answer(facts)
        return
    version = str(status.get("version"))
    since = f", since {minute_text(status['startedAt'])}" if status.get("startedAt") else ""
    where = f" at {masked(facts.settings.url)}" if facts.settings.url else ""
    if version == VERSION:
        yield ok("daemon", f"runs{where}, {_describe_process(facts)}, version {version}{since}")
    else:
        message = f"The daemon{where} is version {version}, this command {VERSION}."
        yield warn("daemon", "other_version", message, "oee daemon restart" if facts.here else None)


def _describe_process(facts: Facts) -> str:
    pid = (facts.status or {}).get("pid")
    return f"pid {pid}" if not facts.here or facts.process(pid) else "in another container"


def _explain_no_answer(facts: Facts) -> Iterator[Finding]:
    fault = facts.fault
    if fault is not None and fault.code == "no_home":
        yield fail("daemon", fault.code, fault.message, "export OEE_HOME=/a/folder", fault.exit_code)
    elif fault is None and not facts.settings.autostart:
        message = "The daemon does not run, and OEE_NO_AUTOSTART forbids commands to start it."
        yield warn("daemon", "not_running", message, "oee daemon start")
    elif fault is None:
        yield from _explain_last_start(facts)
    elif is_process_stopped(facts.holder):
        message = f"The daemon (pid {facts.holder}) is frozen."
        yield fail("daemon", "frozen", message, f"kill -CONT {facts.holder}")
    elif facts.holder is not None and fault.code == "daemon_unreachable":
        as_ = f"as pid {facts.holder}" if facts.holder else "from another container"
        who = f"It holds the home {as_}, and starts, stops or is stuck."
        message = f"{fault.message} {who}"
        yield fail("daemon", "not_answering", message, "oee daemon logs", fault.exit_code)
    elif facts.home_open or not facts.here:
        yield fail("daemon", fault.code, fault.message, _remedy_of(facts, fault), fault.exit_code)


def _remedy_of(facts: Facts, fault: CliError) -> str | None:
    elsewhere = facts.settings.url is not None
    return {
        "socket_unsafe": f"chmod 700 {shlex.quote(str(facts.settings.run_dir))}",
        "home_foreign": f"ls -ld {shlex.quote(str(facts.settings.run_dir))}",
        "protocol_mismatch": "oee daemon restart" if not elsewhere else None,
        "forbidden": f"ls -ld {shlex.quote(str(facts.settings.run_dir))}",
        "unauthorized": "oee config set token -",
        "daemon_unreachable": "oee config show --origin" if elsewhere else "oee daemon logs",
    }.get(fault.code)


def _explain_last_start(facts: Facts) -> Iterator[Finding]:
    """Not running is no fault: commands start it. Unless the last start said that it can't."""
    try:
        with facts.settings.log_file.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    # Below the sentence there may be what a server said; a line of the log begins with a brace.
    last = next((line for line in reversed(lines) if line.startswith(("x  ", "{"))), "")
    if last.startswith("x  "):
        remedy = "oee daemon start, once that is mended"
        yield warn("daemon", "last_start_failed", f"The last start failed: {last[3:]}", remedy)
    else:
        yield info("daemon", "not_running", "does not run; the next order starts it")


def check_postgres(facts: Facts) -> Iterator[Finding]:
    url = facts.text("database_url")
    return _check_server(facts, "postgres", url, check_outside_servers.ask_postgres, _praise_postgres)


def _praise_postgres(facts: Facts, part: dict[str, Any]) -> Iterator[Finding]:
    size = f"{int(part.get('bytes') or 0) / 1e6:,.0f} MB"
    more = f", {counted(int(part.get('orders') or 0), 'order')}, {size}"
    yield _check_server_version("postgres", "postgres", part, more)
    for weakness in part.get("weaknesses") or ():
        code, message = str(weakness.get("code")), str(weakness.get("message"))
        yield (fail if code == "read_only" else warn)("postgres", code, message)


def check_queue(facts: Facts) -> Iterator[Finding]:
    url = facts.value("redis_url")
    return _check_server(facts, "queue", url, check_outside_servers.ask_queue, _praise_queue)


def _praise_queue(facts: Facts, part: dict[str, Any]) -> Iterator[Finding]:
    more = f", {int(part.get('messages') or 0):,} queued"
    yield _check_server_version("queue", str(part.get("server")), part, more)
    yield from _check_shared_queue(facts)


def _check_server(
    facts: Facts,
    check: str,
    url: str | None,
    ask: Ask,
    praise: Callable[[Facts, dict[str, Any]], Iterator[Finding]],
) -> Iterator[Finding]:
    """`praise`: what there is to say of a server that the daemon reaches."""
    part = facts.part(check)
    pid = part.get("pid")
    if is_process_stopped(facts.process(pid)):
        yield fail(check, "frozen", f"It is frozen (pid {pid}).", f"kill -CONT {pid}")
    elif part.get("reachable"):
        yield from praise(facts, part)
    elif part:
        yield _server_away_why(check, part, url if facts.here else None, ask)
    elif facts.here and facts.fault is None and url:
        yield _ask_outside_server(check, url, ask)


def _check_shared_queue(facts: Facts) -> Iterator[Finding]:
    """Two engines on one queue take each other's messages, and orders wait until they are rung again."""
    everyone = [one for one in (facts.status or {}).get("workers") or () if isinstance(one, dict)]
    databases = {one.get("database") for one in everyone} - {None, "unknown"}
    if len(databases) > 1:
        hosts = ", ".join(sorted({str(one.get("host")) for one in everyone}))
        message = f"Workers of {len(databases)} databases share it (on {hosts}): orders wait for seconds."
        remedy = "oee config set redis_url redis://HOST/1" if facts.here else None
        yield warn("queue", "shared_queue", message + " Give each engine a Redis database.", remedy)


def _check_server_version(check: str, server: str, part: dict[str, Any], more: str) -> Finding:
    version, whose = str(part.get("version")), "own" if part.get("own") else "outside"
    named = version if check == server else f"{server} {version}"
    major, oldest = version.partition(".")[0], _OLDEST.get(server, 0)
    if major.isdigit() and int(major) < oldest:
        return warn(check, "old_server", f"{named} ({whose}) is older than {oldest}, which is asked for.")
    return ok(check, f"{named}, {whose}{more}")


def _server_away_why(check: str, part: dict[str, Any], url: str | None, ask: Ask) -> Finding:
    if part.get("own"):
        message = "It does not answer; the daemon starts it again by itself."
        return fail(check, "unreachable", message, "oee daemon logs")
    told = ask(url) if url else None
    message = "The daemon can't reach it" + (f": {told.fault}" if told and told.fault else ".")
    if told and not told.fault:
        message = "It answers here, but not to the daemon, which may have another address or been slow."
    return fail(check, "unreachable", message, "oee config show --origin" if url else None)


def _ask_outside_server(check: str, url: str, ask: Ask) -> Finding:
    told = ask(url)
    if told.fault:
        return fail(check, "unreachable", f"It can't be reached: {told.fault}", "oee config show --origin")
    return ok(check, f"{told.version}, outside")


def check_schema(facts: Facts) -> Iterator[Finding]:
    release, url = check_outside_servers.schema_revision(), facts.text("database_url")
    revision = facts.part("postgres").get("revision")
    if revision is None and facts.away and url:
        revision = check_outside_servers.ask_postgres(url).revision
    if revision is None or release is None:
        return
    if revision == release:
        yield ok("schema", f"{revision}, as this release has it")
    elif revision < release:
        message = f"The database is at {revision}; this release brings it to {release} when it starts."
        yield warn("schema", "schema_old", message, "oee daemon restart" if facts.here else None)
    else:
        message = (
            f"The database is at {revision}, this release at {release}: a newer oee was here. Install it."
        )
        yield fail("schema", "schema_new", message)


def check_worker(facts: Facts) -> Iterator[Finding]:
    part = facts.part("worker")
    pid = part.get("pid")
    if not part:
        return
    if not pid:
        message = "None runs; the daemon starts it again by itself."
        yield fail("worker", "no_worker", message, "oee daemon logs")
    elif is_process_stopped(facts.process(pid)):
        yield fail("worker", "frozen", f"It is frozen (pid {pid}): no order moves.", f"kill -CONT {pid}")
    else:
        yield from _check_workers(facts, part)


def _check_workers(facts: Facts, part: dict[str, Any]) -> Iterator[Finding]:
    """Ours and those on other hosts."""
    status = facts.status or {}
    everyone = [one for one in status.get("workers") or () if isinstance(one, dict)]
    others = [one for one in everyone if one.get("version") != status.get("version")]
    for one in everyone:
        if float(one.get("longestS") or 0) > _HANGS:
            message = f"The one on {one.get('host')} (pid {one.get('pid')}) has been at one order for"
            message += f" {span_text(float(one['longestS']))}: what it waits for does not answer."
            yield warn("worker", "hangs", message, "oee daemon logs")
    for one, name, told in _find_looser(everyone, status):
        message = f"{name} is {status['settings'][name]} in the daemon, and {told or 'not set'} in the one on"
        message += f" {one.get('host')} (pid {one.get('pid')}), which executes orders without it."
        yield warn("worker", "less_protection", message, "oee worker")
    for one in others:
        message = f"The one on {one.get('host')} (pid {one.get('pid')}) is version {one.get('version')}."
        yield warn("worker", "other_version", message + " Install the same one there, and restart it.")
    if not others:
        more = f", {len(everyone):,} workers" if len(everyone) > 1 else ""
        running = int(part.get("running") or 0)
        yield ok("worker", f"{part.get('threads')} threads, {running:,} orders running{more}")


def _find_looser(everyone: list[dict[str, Any]], status: Any) -> Iterator[tuple[Any, str, str | None]]:
    """Workers that protect money less than the daemon was set to, by setting and their own value."""
    settings = status.get("settings") or {}
    for one in everyone:
        for name, told in (one.get("keeps") or {}).items():
            if name in OF_WORKERS and name in settings and not is_kept(name, settings[name], told):
                yield one, name, told


def check_orders(facts: Facts) -> Iterator[Finding]:
    part, halt = facts.part("orders"), facts.part("halt")
    if halt:
        why = f" ({halt['reason']})" if halt.get("reason") else ""
        since = minute_text(halt["since"])
        message = f"The engine is halted since {since}{why}: nothing is accepted, signed or sent."
        yield warn("orders", "halted", message, "oee resume")
        return
    live, stuck, overdue = part.get("live"), part.get("stuck") or 0, part.get("overdueS") or 0.0
    faulty = part.get("faulty") or 0
    if not isinstance(live, dict):
        return
    if stuck:
        noun = "1 order has" if stuck == 1 else f"{stuck:,} orders have"
        counts = ", ".join(f"{n:,} {word}" for word, n in live.items() if n)
        message = f"{noun} not moved for 5 minutes ({counts} now)."
        status = max(live, key=lambda word: live[word])
        yield warn("orders", "stuck", message, f"oee history --status {status}")
    if faulty:
        noun = "1 order runs" if faulty == 1 else f"{faulty:,} orders run"
        message = (
            f"{noun} into faults of the engine again and again; each is tried again after longer pauses."
        )
        yield warn("orders", "faulty", message, "oee daemon logs")
    if overdue > _PATIENCE:
        message = f"An order has been due for {span_text(overdue)}, and no worker has taken it."
        yield warn("orders", "overdue", message, "oee daemon status")
    if not stuck and not faulty and overdue <= _PATIENCE:
        waits = live.get("waiting", 0)
        said = f", {waits:,} wait{'s' if waits == 1 else ''}" if waits else ""
        yield ok("orders", f"{sum(live.values()) - waits:,} on their way{said}, none stuck")


def check_clock(facts: Facts) -> Iterator[Finding]:
    remedy = "timedatectl set-ntp true"
    if time.time() < _BEFORE_US:
        yield warn("clock", "clock_wrong", f"It says {time.strftime('%d %b %Y')}: that is past.", remedy)
        return
    jumped = float((facts.status or {}).get("clockJumpedS") or 0)
    if abs(jumped) > _CLOCK_SET:
        message = f"It was set by {jumped:+.0f} s, or the machine slept, since the daemon started."
        yield info("clock", "clock_jumped", message)
    told = facts.part("postgres").get("now")
    if not isinstance(told, str):
        yield ok("clock", f"{time.strftime('%d %b %Y %H:%M:%S %Z')}")
        return
    ahead = facts.asked_at - parse_moment(told).timestamp()
    if abs(ahead) > _CLOCKS_DIFFER + facts.asked_within:
        way = "ahead of" if ahead > 0 else "behind"
        message = f"This machine's is {span_text(abs(ahead))} {way} Postgres's, which orders go by."
        yield warn("clock", "clocks_differ", message, remedy)
    else:
        yield ok("clock", "agrees with Postgres's")
