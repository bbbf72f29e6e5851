"""The OpenAPI document names every call with its answers, and every call answers as it stands there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from fastapi.routing import iter_route_contexts

from oee_daemon.api import (
    api_answer_schema,
    balance_routes,
    cancel_routes,
    edit_routes,
    endpoint_routes,
    engine_routes,
    feed_routes,
    group_routes,
    halt_routes,
    health_routes,
    limit_routes,
    lookup_routes,
    notify_routes,
    order_routes,
    stats_routes,
    token_routes,
    wallet_routes,
)
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from oee_daemon.queue import queue_refusals
from tests.kit.answers import GONE, refused, shaped
from tests.kit.api_daemon import Shared, shared


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("api") / "h") as running:
        yield running


def test_what_can_be_traded_and_how_the_daemon_is(api: Shared) -> None:
    assert len(shaped(token_routes.Tokens, api.http.get("/api/tokens"))["tokens"]) == 13
    found = shaped(token_routes.FoundTokens, api.http.get("/api/tokens/search", params={"query": "so"}))
    assert {t["symbol"]: t["origin"] for t in found["tokens"]} == dict.fromkeys(
        ("SOL", "mSOL", "JitoSOL"), "pinned"
    )
    assert found["directory"] == "none"
    # The simulated network moves nothing of anybody's, and has its own tokens.
    for answer, code in (
        (api.http.get("/api/balances"), "no_balances"),
        (api.http.post("/api/tokens", json={"mint": GONE}), "tokens_are_fixed"),
        (api.http.delete("/api/tokens/SOL"), "token_pinned"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    venues = shaped(order_routes.Venues, api.http.get("/api/venues"))["venues"]
    assert {v["name"]: v["feeBps"] for v in venues} == {"raydium": 25, "meteora": 20}
    shaped(api_answer_schema.Health, api.http.get("/healthz"))
    shaped(api_answer_schema.Readiness, api.http.get("/readyz"))
    shaped(api_answer_schema.DaemonStatus, api.http.get("/api/status"))
    shaped(engine_routes.Engine, api.http.get("/api/engine"))
    none = shaped(endpoint_routes.Endpoints, api.http.get("/api/endpoints"))
    assert none == {"network": "simulated", "endpoints": []}
    figures = api.http.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'oee_up{part="postgres"} 1' in figures.text


def test_how_often_apis_answered_429_is_told_by_host(api: Shared) -> None:
    assert "oee_source_429_total" not in api.http.get("/metrics").text
    with redis.Redis.from_url(api.daemon.environ["OEE_REDIS_URL"]) as queue:
        queue.hset(queue_refusals.COUNTS, mapping={"b.example": 3, "a.example (2)": 1})
        told = api.http.get("/metrics").text.splitlines()
        queue.delete(queue_refusals.COUNTS)
    assert [line for line in told if "oee_source_429_total" in line and "HELP" not in line] == [
        "# TYPE oee_source_429_total counter",
        'oee_source_429_total{host="a.example (2)"} 1',
        'oee_source_429_total{host="b.example"} 3',
    ]


def test_every_call_stands_in_the_document_with_its_answers(api: Shared) -> None:
    found = api.http.get("/openapi.json").json()
    routes = iter_route_contexts(
        [
            *order_routes.router.routes,
            *stats_routes.router.routes,
            *engine_routes.router.routes,
            *edit_routes.router.routes,
            *halt_routes.router.routes,
            *feed_routes.router.routes,
            *limit_routes.router.routes,
            *notify_routes.router.routes,
            *endpoint_routes.router.routes,
            *health_routes.router.routes,
            *order_routes.documented.routes,
            *cancel_routes.router.routes,
            *group_routes.router.routes,
            *lookup_routes.router.routes,
            *token_routes.router.routes,
            *balance_routes.router.routes,
            *wallet_routes.router.routes,
        ]
    )
    declared = {(str(r.path), m.lower()) for r in routes for m in r.methods or ()}
    assert {(path, method) for path, calls in found["paths"].items() for method in calls} == declared
    shapes = found["components"]["schemas"]
    for calls in found["paths"].values():
        for call in calls.values():
            problems = {
                s for s, a in call["responses"].items() if "application/problem+json" in a.get("content", {})
            }
            assert problems >= {"401", "422", "426"}
    assert {"Order", "Event", "Problem", "OrderIn", "Quote", "Fill"} <= set(shapes)
    assert shapes["Order"]["properties"].keys() == {*api.post().json(), "market", "blocked"}
    assert found["paths"]["/healthz"]["get"]["security"] == []
    assert "#/$defs" not in api.http.get("/openapi.json").text
    for method, path in (
        ("PUT", "/api/orders"),
        ("DELETE", f"/api/orders/{GONE}"),
        ("GET", f"/api/orders/{GONE}/cancel"),
    ):
        answer = api.http.request(method, path)
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] in ("GET", "POST", "PATCH")
    for path in ("/", "/docs", "/redoc", "/api", "/api/orders/", "/api/nothing"):
        refused(api.http.get(path), 404, "no_such_path")
    for path in ("/api/orders/execute", "/api/orders/stream"):
        refused(api.http.get(path), 426, "upgrade_required")


def test_another_protocol_version_is_told_so(api: Shared) -> None:
    for path in ("/healthz", "/api/orders", "/nowhere"):
        found = refused(api.http.get(path, headers={"OEE-Protocol": "1"}), 426, "protocol_mismatch")
        assert found["protocol"] == PROTOCOL and found["version"]
    assert api.http.get("/healthz", headers={"OEE-Protocol": str(PROTOCOL)}).status_code == 200
