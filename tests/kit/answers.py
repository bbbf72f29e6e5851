"""Answers of the API, held against the shapes of its OpenAPI document."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import BaseModel

from oee_daemon.api import api_answer_schema
from oee_daemon.contract.protocol import PROTOCOL

#: The id of no order.
GONE = "00000000-0000-4000-8000-000000000000"


def shaped(model: type[BaseModel], answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["oee-protocol"] == str(PROTOCOL)
    found: dict[str, Any] = answer.json()
    model.model_validate(found)
    return found


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["oee-protocol"] == str(PROTOCOL)
    found: dict[str, Any] = answer.json()
    api_answer_schema.Problem.model_validate(found)
    assert (found["status"], found["code"], found.get("field")) == (status, code, field)
    return found
