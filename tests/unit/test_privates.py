"""Nothing is assigned to what the standard library keeps to itself: the next Python has it otherwise.

`Handler.lock = None` and `logging._srcfile = None` were right up to 3.12; on 3.13 nothing started.
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for part in ("oee_cli", "oee_daemon", "tests", "benchmarks", "docs")
    for path in (ROOT / part).rglob("*.py")
)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
KINDS = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Call, ast.ClassDef, ast.Name, *FUNCTION)
#: What assigns to an attribute that is named by a string.
BY_NAME = {"setattr", "delattr", "patch", "object"}
#: Public attributes that a subclass may give a value to; `sock` is what an `HTTPConnection.connect` makes.
PUBLIC = {"name", "daemon", "close_connection", "sock"}


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


class File:
    """One source file: what it imports of the standard library, and what it assigns to it."""

    def __init__(self, source: str) -> None:
        #: Kept once: walking all of a tree takes longer than anything else here.
        self.nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, KINDS)]
        #: Each name here, to what it is there: `{"log": "logging", "Thread": "threading.Thread"}`.
        self.imported: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.expr) -> str | None:
        """What of the standard library an expression names: `logging.Handler`. None: something else."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        root = self.imported.get(node.id) if isinstance(node, ast.Name) else None
        if root is None or root.split(".")[0] not in sys.stdlib_module_names:
            return None
        return ".".join([root, *attributes])

    def assigned(self, own: set[str]) -> Iterator[str]:
        """Each assignment to a private attribute that is not one of our `own`."""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
                ours = node.attr in own and self.dotted(node.value) is None
                if private(node.attr) and not ours:
                    yield f"{node.lineno}: {ast.unparse(node)}"
            elif isinstance(node, ast.Call):
                yield from self._by_name(node, own)
            elif isinstance(node, ast.ClassDef):
                yield from self._in_subclass(node)

    def _by_name(self, call: ast.Call, own: set[str]) -> Iterator[str]:
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        words = [a.value for a in call.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if called not in BY_NAME or not words:
            return
        *place, name = words[0].split(".")
        there = place[0] in sys.stdlib_module_names if place else self.dotted(call.args[0]) is not None
        if private(name) and (there or name not in own):
            yield f"{call.lineno}: {ast.unparse(call)}"

    def _in_subclass(self, node: ast.ClassDef) -> Iterator[str]:
        """What a subclass gives a value to, or defines anew, although its base works with it."""
        used = {name for base in node.bases if (path := self.dotted(base)) for name in inner(path)}
        for inside in ast.walk(node):
            if isinstance(inside, ast.Attribute) and isinstance(inside.ctx, (ast.Store, ast.Del)):
                if of_self(inside) and inside.attr in used - PUBLIC:
                    yield f"{inside.lineno}: {ast.unparse(inside)}"
            elif isinstance(inside, FUNCTION) and private(inside.name) and inside.name in used:
                yield f"{inside.lineno}: {node.name}.{inside.name}"


def inner(path: str) -> set[str]:
    """Every name that the methods of a class of the standard library look up."""
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name) if module else None
    if not inspect.isclass(found):
        return set()
    methods = [member for kind in found.__mro__ for member in vars(kind).values()]
    codes = [code for m in methods if isinstance(code := getattr(m, "__code__", None), CodeType)]
    return {name for code in codes for name in code.co_names} | {n for n in dir(found) if private(n)}


def own_names(files: list[File]) -> set[str]:
    """Private names that this product defines: functions, module variables, attributes of `self`."""
    found: set[str] = set()
    for file in files:
        for node in file.nodes:
            if isinstance(node, FUNCTION):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node):
                found.add(node.attr)
    return {name for name in found if private(name)}


def test_nothing_is_assigned_to_a_private_attribute_of_the_standard_library() -> None:
    # Millions of nodes that all stay: to look through them for garbage takes four times as long as the rest.
    gc.disable()
    try:
        files = {path: File(path.read_text(encoding="utf-8")) for path in FILES}
    finally:
        gc.enable()
    own = own_names(list(files.values()))
    found = [f"{path.relative_to(ROOT)}:{at}" for path, file in files.items() for at in file.assigned(own)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import logging\nlogging._srcfile = None",
        "import logging as log\nlog._srcfile = None",
        "import logging\ndel logging._own",
        "from logging import root\nroot._cache = {}",
        "import logging\nlogging.root.manager._own = 1",
        "import subprocess\np = subprocess.Popen('x')\np._child_created = False",
        "import os, threading\nthreading._x, os.y = 1, 2",
        "import threading\nsetattr(threading, '_own', 1)",
        "def test(monkeypatch):\n    monkeypatch.setattr('logging._own', None)",
        "import os\ndef test(monkeypatch):\n    monkeypatch.setattr(os, '_exit', print)",
        "import logging\nclass H(logging.Handler):\n    def createLock(self):\n        self.lock = None",
        "from threading import Thread\nclass T(Thread):\n    def aim(self):\n        self._target = print",
        "from threading import Thread\nclass T(Thread):\n    def _bootstrap(self): ...",
    ],
)
def test_an_assignment_is_found_however_it_is_written(source: str) -> None:
    assert len(set(File(source).assigned({"_own"}))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import logging\nlogging.logThreads = False",
        "class A:\n    def __init__(self):\n        self._own = 1",
        "from oee_daemon.engine import execution\nexecution.Execution._own = print",
        "import sys\nsys.modules['httpx._main'] = None",
        "import logging\nclass H(logging.Handler):\n    def handle(self, record): return True",
        "from threading import Thread\nclass T(Thread):\n    def __init__(self):\n        self.port = 1",
    ],
)
def test_what_is_public_or_ours_is_left_alone(source: str) -> None:
    assert list(File(source).assigned({"_own"})) == []


#: Each thing that a library keeps to itself, or promises to nobody, and that we touch all the same: where it
#: is, and who touches it. The upper bounds in `pyproject.toml` hold for these libraries.
TOUCHED = [
    ("dramatiq.brokers.redis._RedisConsumer.ack", "queue/queue_consumer.py"),
    ("dramatiq.brokers.redis._RedisConsumer.outstanding_message_count", "queue/queue_consumer.py"),
    ("dramatiq.brokers.redis.RedisBroker.consumer_class", "queue/queue_broker.py"),
    ("dramatiq.worker._ConsumerThread", "queue/queue_threads.py"),
    ("redis.connection.ConnectionPool.connection_class", "queue/queue_connection.py"),
    ("redis.connection.AbstractConnection.send_packed_command", "queue/queue_connection.py"),
    ("redis.connection.AbstractConnection.pack_command", "queue/queue_connection.py"),
    ("uvicorn.Server.main_loop", "api/api_listeners.py"),
    ("uvicorn.Server.on_tick", "api/api_listeners.py"),
    ("uvicorn.protocols.http.httptools_impl.HttpToolsProtocol.on_message_begin", "api/api_connections.py"),
    (
        "uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol",
        "api/api_connections.py",
    ),
]
#: The same of attributes that are made when an object is: the words that a library's source has for them.
WORDS = [
    ("dramatiq.brokers.redis", ["message_cache", "queued_message_ids", "outstanding_message_count"]),
    ("dramatiq.brokers.redis", ["self.scripts", "broker_id", "redis_message_id", "def do_dispatch"]),
    ("dramatiq.worker", ["self.work_queue", "self.queue_prefetch", "worker_threads", "worker_boot"]),
    ("redis.connection", ["self._sock", "connection_kwargs"]),
    ("httpx", ["._main"]),
]


@pytest.mark.parametrize(("path", "user"), TOUCHED)
def test_what_we_touch_of_a_library_is_where_it_was(path: str, user: str) -> None:
    assert (ROOT / "oee_daemon" / user).is_file()
    module, names = path, list[str]()
    while True:
        try:
            found: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, name = module.rpartition(".")
            names.insert(0, name)
    for name in names:
        if name == "connection_class":
            assert name in inspect.getsource(found)  # type: ignore[arg-type]
            return
        found = getattr(found, name)


@pytest.mark.parametrize(("module", "words"), WORDS)
def test_what_a_library_s_objects_have_is_called_as_it_was(module: str, words: list[str]) -> None:
    source = inspect.getsource(importlib.import_module(module))
    assert [word for word in words if word not in source] == []


@pytest.mark.parametrize("library", ["dramatiq", "redis", "uvicorn", "httpx"])
def test_a_library_whose_privates_we_touch_is_bounded_to_what_was_tried(library: str) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (bound,) = [w for w in wanted if re.match(rf"{library}[\[>]", w)]
    below = re.search(r"<(\d+)\.(\d+)$", bound)
    assert below is not None, bound
    major, minor = (int(part) for part in version(library).split(".")[:2])
    assert (int(below[1]), int(below[2])) == (major, minor + 1)
