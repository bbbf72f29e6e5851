"""What the shapes of the answers are made of: how amounts, moments and errors are written.

Nothing is computed here; the shapes themselves stand in `api_answer_schema`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Amount = Annotated[
    str, Field(description="decimal, in whole tokens", examples=["1.5"], pattern=r"^\d+(\.\d+)?$")
]
Moment = Annotated[
    str, Field(description="RFC 3339, UTC, microseconds", examples=["2026-11-23T10:00:00.000000Z"])
]
OrderId = Annotated[str, Field(description="UUIDv4", examples=["0c2f0b8e-3f57-4c53-9d5a-0d8ac2c6d5b1"])]


class Shape(BaseModel):
    """What crosses the wire: camelCase there, snake_case here; a field that is not named is refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


class Body(Shape):
    """What a route is sent. FastAPI builds its validator at once, and pydantic warns where it finds none."""

    model_config = ConfigDict(defer_build=False)


class Check(Shape):
    """What one check of a new token came to: `ok`, `refused`, `unknown`, or `accepted` by the order."""

    check: str
    verdict: str
    says: str


class Error(Shape):
    """Why an order, an attempt or a venue failed. Codes are stable, messages are for people."""

    code: str
    message: str
    retryable: bool
    checks: list[Check] | None = Field(None, description="of a new token that is not bought: each verdict")
