"""What counts as an answer of an RPC endpoint, and what is none. Pure: no I/O and no clock.

An endpoint that is busy, behind, broken or somebody's error page says nothing: that is `NoAnswer`, and never
a result. A JSON-RPC error that answers the question stays in its place of a batch, as `RpcError`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeAlias

#: A method and its parameters.
Call: TypeAlias = tuple[str, list[Any]]

#: JSON-RPC errors by which a node says that it can't answer now: it is unhealthy, or asked too often.
#: https://github.com/anza-xyz/agave (rpc-client-api/src/custom_error.rs), and what providers use beside it.
_NOT_NOW = frozenset({-32005, -32016, -32429, -32603, 429})
#: Those that say nothing but that it is asked too often. Other providers say it under a code that means
#: something else to a node, -32005 or -32007, or under one of their own: then their words tell.
_TOO_OFTEN = frozenset({-32429, 429})
_LIMIT = re.compile(
    r"too many requests|rate.?limit|request (limit|count)|max usage|quota|capacity limit"
    r"|exceeded.*(capacity|per second|\brps\b)",
    re.IGNORECASE,
)
#: Where errors begin that JSON-RPC and Solana's nodes have: a gateway's own stand beside them.
_NODES = range(-32768, -31999)
_NO_METHOD = -32601
#: Alchemy refuses by them what it does not have
#: (https://github.com/velocity-exchange/keeper-bots-v2/issues/147,
#: https://github.com/ethereum-optimism/optimism/pull/6019).
_REFUSED = frozenset({-32600, -32602})
#: How a method is refused for good, and words by which it is not.
_UNSOLD = re.compile(
    r"unsupported|not (be )?(supported|allowed|enabled|permitted)|(method|getBlock\w*)\b.* not available"
    r"|not available (on|in|for) .*(tier|plan)",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"time.?out|timed out|temporar|retry|try again|moment|overload|busy|slot", re.IGNORECASE
)
#: Statuses by which a method is refused for good: the key or its plan does not have it. Others of 4xx are of
#: a moment, or of a node behind (https://www.ankr.com/docs/rpc-service/errors/overview,
#: https://docs.chainstack.com/docs/error-reference, https://www.quicknode.com/docs/solana/error-references).
_FOR_GOOD = frozenset({401, 402, 403, 405})
#: Methods without whose answer the others of a request count all the same, for less: how far back a node
#: remembers, and what was paid lately. Some endpoints count or refuse each method by itself.
_SPARE = frozenset({"getFirstAvailableBlock", "getRecentPrioritizationFees"})
#: Seconds: no `Retry-After` is believed beyond this.
LONGEST_PAUSE_S = 60.0
#: Seconds for which an endpoint is left alone that is asked too often, and does not say for how long.
PAUSE_S = 1.0


class NoAnswer(Exception):
    """The endpoint says nothing this time. `pause_s`: for how long it asked to be left alone, by who asks
    `methods`; of none: by who asks the same."""

    def __init__(self, reason: str, pause_s: float = 0.0, methods: Collection[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s
        self.methods = methods


class TooOften(NoAnswer):
    """It is asked too often: by its status or, with a 200 as well, by a JSON-RPC error."""


class Unsold(NoAnswer):
    """What it is asked for is not to be had there, and will not be in a moment."""


class BatchRefused(NoAnswer):
    """It does not take several calls in one request, as far as this answer shows."""


@dataclass(frozen=True, slots=True)
class RpcError:
    """An error that is an answer: to this call, by this node."""

    code: int
    message: str
    data: Any = None


def is_unsold(said: Any) -> bool:
    """Whether that method is not to be had there, and will not be in a moment: by JSON-RPC's word, or by the
    words of a gateway's own. A gateway's code by itself says nothing: dRPC's 19 and 30 are of a moment."""
    if not isinstance(said, RpcError):
        return False
    is_own = said.code not in _NODES or said.code in _REFUSED
    return said.code == _NO_METHOD or (
        is_own and _UNSOLD.search(said.message) is not None and _PASSING.search(said.message) is None
    )


#: What stands in a call's place: its result, or an `RpcError`.
Result: TypeAlias = Any


class Results(list[Result]):
    """What stands in each call's place, and which of them came together, by this very answer: what the
    endpoint takes in one request may be another thing by now."""

    def __init__(self) -> None:
        super().__init__()
        #: Of each, the place of the first that came with it.
        self._begins: list[int] = []

    def came(self, together: Sequence[Result]) -> None:
        """These came next, in one request."""
        self._begins += [len(self)] * len(together)
        self += together

    def of_one_node(self, first: int, last: int) -> bool:
        """Whether those from `first` to `last` came in one request, hence of one node."""
        return self._begins[first] == self._begins[last]


def body_of(calls: Sequence[Call], first: int, *, batch: bool) -> bytes:
    """The request's body; the calls are numbered from `first`."""
    sent = [
        {"jsonrpc": "2.0", "id": n, "method": method, "params": params}
        for n, (method, params) in enumerate(calls, first)
    ]
    return _ENCODER.encode(sent if batch else sent[0]).encode()


def check_status(
    status: int, headers: Mapping[str, str], now: datetime, *, batch: bool, body: bytes = b""
) -> None:
    """Raises `NoAnswer` for everything but a 200, `TooOften` where it says that. Some gateways refuse batches
    by their status alone, one by an error of its own for each call, with a 500."""
    if status == 200:
        return
    said = _page(body)
    if status == 429 or any(map(_is_limit, said)):
        raise TooOften(f"HTTP {status}")
    pause_s = pause_of(headers.get("retry-after"), now) if status == 503 else 0.0
    if batch and (status in (400, 402, 403, 405, 413, 415, 422, 501) or (status == 500 and _all_alike(said))):
        raise BatchRefused(f"HTTP {status}")
    if status in _FOR_GOOD or (400 <= status < 500 and len(said) == 1 and _refuses_method(said[0])):
        raise Unsold(f"HTTP {status}")
    raise NoAnswer(f"HTTP {status}", pause_s)


def _refuses_method(said: Any) -> bool:
    """Whether that page's error is that the method is not to be had."""
    try:
        return is_unsold(_error(said["error"]))
    except (KeyError, TypeError, NoAnswer):
        return False


def pause_of(text: str | None, now: datetime) -> float:
    """`Retry-After` in seconds: a number of them or a date (RFC 9110, 10.2.3); 0 where it says neither."""
    if text is None:
        return 0.0
    try:
        seconds = float(text) if text.strip().isdigit() else _until(text, now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), LONGEST_PAUSE_S)


def _until(text: str, now: datetime) -> float:
    at = parsedate_to_datetime(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def read_json(body: bytes) -> Any:
    """Raises `NoAnswer`."""
    try:
        return _DECODER.decode(body.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError):
        raise NoAnswer("no JSON") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


#: Made once: to make them takes as long as to read a small answer.
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_no_number)


def results_of(body: bytes, first: int, calls: Sequence[Call], *, batch: bool) -> list[Result]:
    """The result of each of the calls, which were numbered from `first`, in their order. Raises `NoAnswer`
    unless all are there."""
    said, count = read_json(body), len(calls)
    if isinstance(said, dict) and _is_limit(said) and not (not batch and calls[0][0] in _SPARE):
        # Before its id and shape are looked at: a limiter in front of a node has its own.
        raise TooOften("it is asked too often")
    if not batch:
        return [_result(said, first, calls[0])]
    if isinstance(said, dict) and "error" in said:
        error = _error(said["error"])
        raise BatchRefused(f"error {error.code}")
    if _all_alike(said):
        raise BatchRefused("an error of its own for each call")
    if not isinstance(said, list) or len(said) != count:
        raise NoAnswer("not as many answers as calls")
    by_id = {one.get("id"): one for one in said if isinstance(one, dict) and type(one.get("id")) is int}
    return [_result(by_id.get(n), n, call) for n, call in enumerate(calls, first)]


def _page(body: bytes) -> list[Any]:
    """What an error page says by JSON, each part of it; nothing where it is no JSON."""
    try:
        said = read_json(body)
    except NoAnswer:
        return []
    return said if isinstance(said, list) else [said]


def _is_limit(said: Any) -> bool:
    """Whether it is a limiter's word, by its code or by its words, in whatever shape."""
    error = said.get("error") or said if isinstance(said, dict) else None
    words = error.get("message") if isinstance(error, dict) else error
    if (
        not isinstance(words, str)
        or "batch" in words.lower()
        or (isinstance(said, dict) and "result" in said)
    ):
        words = ""
    return _code_of(said) in _TOO_OFTEN or _LIMIT.search(words[:300]) is not None


def _all_alike(said: Any) -> bool:
    """Whether a gateway answers each call by one and the same error of its own, which no node has."""
    if not isinstance(said, list) or not said or not _code_of(said[0]):
        return False
    codes = set(map(_code_of, said))
    if any(map(_is_limit, said)):
        return False
    return len(codes) == 1 and not codes & _NOT_NOW and codes.pop() not in _NODES


def _code_of(said: Any) -> int:
    """The code of its error; 0 where it is none that has one."""
    error = said.get("error") if isinstance(said, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if type(code) is int else 0


def _result(said: Any, number: int, call: Call) -> Result:
    if not isinstance(said, dict):
        raise NoAnswer("no answer by JSON-RPC")
    if type(said.get("id")) is not int or said["id"] != number:
        # Rate limiters answer with an id of their own, and a proxy may mix up two requests.
        raise NoAnswer("the answer to another call")
    if said.get("error") is not None:
        spare = call[0] in _SPARE
        if _is_limit(said) and not spare:
            raise TooOften("it is asked too often", methods=[call[0]])
        return _error(said["error"], spare=spare)
    if "result" not in said:
        raise NoAnswer("neither a result nor an error")
    return said["result"]


def _error(said: Any, *, spare: bool = False) -> RpcError:
    if not isinstance(said, dict) or type(said.get("code")) is not int:
        raise NoAnswer("an error without a code")
    error = RpcError(said["code"], str(said.get("message", ""))[:300], said.get("data"))
    if error.code in _NOT_NOW and not spare:
        raise NoAnswer(f"error {error.code}")
    return error
