"""What a process of the engine takes over from whoever started it, each looked at in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.embedded.embedded_supervision import Watch
from oee_daemon.embedded.embedded_worker import WorkerProcess
from oee_daemon.inherited import forget_database
from oee_daemon.start_errors import OutOfThreads
from tests.kit.daemons import until

ROOT = Path(__file__).parents[2]
#: Settles, then says what there is.
PROBE = """
import sys
from oee_daemon import inherited
inherited.settle()
import json, os, resource, signal
names = [n for n in dir(resource) if n.startswith("RLIMIT_")]
mask = os.umask(0)
print(json.dumps({
    "environ": dict(os.environ),
    "ignored": [s for s in signal.valid_signals() if signal.getsignal(s) is signal.SIG_IGN],
    "deadly": [s for s in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP", "SIGPROF")
               if signal.getsignal(getattr(signal, s)) is signal.SIG_DFL],
    "blocked": [*signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "timer": signal.getitimer(signal.ITIMER_REAL)[0],
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in names},
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "umask": mask,
    "open": [int(n) for n in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{n}")],
    "path": sys.path,
}))
"""


def settled(
    before: Callable[[], None] | None = None,
    *,
    cwd: Path | None = None,
    environ: dict[str, str] | None = None,
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={"PATH": os.environ["PATH"], **(environ or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=before,
        start_new_session=True,
        close_fds=before is None,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _worst() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    signal.setitimer(signal.ITIMER_REAL, 1000)
    os.umask(0)
    os.dup2(1, 9)
    os.close(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    os.nice(3)


def test_of_the_worst_of_starters_nothing_is_left() -> None:
    found = settled(_worst)
    # Python itself ignores these two.
    assert set(found["ignored"]) == {signal.SIGPIPE, signal.SIGXFSZ}
    assert (found["deadly"], found["blocked"], found["timer"]) == ([], [], 0)
    for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_NPROC"):
        soft, hard = found["limits"][name]
        assert soft == hard, name
    # What is in memory may be a key.
    assert found["limits"]["RLIMIT_CORE"][0] == 0
    assert found["nice"] == (0 if os.geteuid() == 0 else 3)
    assert found["umask"] == (0o022 if os.geteuid() == 0 else 0o077)
    assert set(found["open"]) == {0, 1, 2}


def test_a_variable_that_is_not_on_the_list_is_gone() -> None:
    foreign = [
        "PGSERVICE", "PGOPTIONS", "PGDATESTYLE", "PGHOST", "PGCLIENTENCODING", "PGTZ", "WEB_CONCURRENCY",
        "FORWARDED_ALLOW_IPS", "PSYCOPG_IMPL", "dramatiq_queue_prefetch", "PYTHONASYNCIODEBUG",
        "SSLKEYLOGFILE", "PYDANTIC_DISABLE_PLUGINS", "HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY",
    ]  # fmt: skip
    assert not settled(environ=dict.fromkeys(foreign, "1"))["environ"].keys() & set(foreign)


def test_what_is_on_the_list_stays() -> None:
    kept = {
        "HOME": "/h", "OEE_PORT": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", "XDG_DATA_HOME": "/d",
        "SSL_CERT_FILE": "/c", "PGPASSFILE": "/p", "PGSSLROOTCERT": "/r",
    }  # fmt: skip
    assert kept.items() <= settled(environ=kept)["environ"].items()


def test_for_a_database_of_our_own_libpq_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PGPASSFILE": "/p", "PGSSLMODE": "require", "PATH": "/bin"})
    forget_database()
    assert os.environ == {"PATH": "/bin"}


@pytest.mark.parametrize("told", ["", "{lib}", ":{lib}", ".", "{lib}:"])
@pytest.mark.parametrize("program", ["oee_cli", "oee_daemon"])
def test_neither_the_working_folder_nor_pythonpath_is_looked_in(
    program: str, told: str, tmp_path: Path
) -> None:
    bot, lib = tmp_path / "bot", tmp_path / "lib"
    for folder in (bot, lib):
        folder.mkdir()
        for module in ("signal", "json", "redis", "httpx", "typer", "resource", "psycopg", "platformdirs"):
            (folder / f"{module}.py").write_text("raise SystemExit('a foreign module runs')")
    arguments = ["help", "exit-codes"] if program == "oee_cli" else ["neither"]
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": told.format(lib=lib)},
        cwd=bot,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "foreign" not in done.stderr
    assert (done.returncode, done.stderr[:6]) == ((0, "") if program == "oee_cli" else (2, "usage:"))


def test_a_program_that_pythonpath_brings_keeps_it(tmp_path: Path) -> None:
    """As with `pip install --target`: what it needs may be in any of the folders."""
    (tmp_path / "apart").mkdir()
    for package in ("oee_daemon", "oee_cli"):
        (tmp_path / "apart" / package).symlink_to(ROOT / package)
    (tmp_path / "more").mkdir()
    told = f"{tmp_path / 'apart'}:{tmp_path / 'more'}:"
    found = settled(cwd=tmp_path, environ={"PYTHONPATH": told})
    assert found["path"][:2] == told.split(":")[:2]
    assert str(tmp_path) not in found["path"]


class Ends(WorkerProcess):
    """A worker that is told by the system that it can't have its threads."""

    def command(self, *more: str) -> list[str]:
        return ["sh", "-c", f"exit {OutOfThreads.exit_code}"]


def test_a_worker_that_never_had_its_threads_ends_the_daemon_with_the_reason() -> None:
    worker = Ends("home")
    watch = Watch(worker)
    assert not watch.advance()
    until(worker.stopped)
    with pytest.raises(OutOfThreads, match=r"The worker can't start its threads.*ulimit -u"):
        watch.check()
    worker.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere address space is not bounded")
def test_too_few_threads_are_noticed_before_anything_is_started() -> None:
    script = """
import resource
from pathlib import Path
from oee_daemon.start_errors import OutOfThreads
from oee_daemon.main import _need_threads
_need_threads(20)
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**26, now + 2**26))
try:
    _need_threads(200)
except OutOfThreads as e:
    print(e.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (2**23, 2**23)),
    )
    assert done.stdout.startswith("The daemon can't start its threads"), done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        ("FileNotFoundError(2, 'No such file or directory', '/run/user/4')", 1, "/run/user/4 can't be used"),
        ("ValueError('what nobody foresaw')", 1, "A fault of ours: ValueError: what nobody foresaw"),
        ('RuntimeError("can\'t start new thread")', 71, "oee can't start its threads"),
        ("KeyboardInterrupt", 0, None),
    ],
)
def test_whatever_a_start_fails_by_is_a_sentence_and_a_line_of_the_log(
    fault: str, code: int, sentence: str | None
) -> None:
    script = (
        "import sys, threading\nfrom oee_daemon import __main__ as m\nsys.argv = ['oee', 'run']\n"
        # What a library waits for may never come, and is not waited for.
        "threading.Thread(target=threading.Event().wait).start()\n"
        f"def fail(**_): raise {fault}\nm._run = fail\nm._leave(m.main())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    lines = done.stderr.splitlines()
    if sentence is not None:
        assert lines.pop().startswith(f"x  {sentence}")
    for line in lines:
        assert json.loads(line)["level"] in ("error", "info")
