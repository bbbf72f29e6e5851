"""`/api/tokens`: what can be traded by its symbol, what a directory knows, and what the user adds or removes.

What is pinned stays; what a search finds is told and never becomes a symbol.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire
from oee_daemon.api.api_answer_schema import Body, Shape
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import State, state_of
from oee_daemon.errors import Conflict, VenueError
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.network_token_symbols import alike
from oee_daemon.orders.tokens import Token as OurToken

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

#: Seconds that a directory of tokens has to answer.
SEARCH_S = 4.0
#: Of a directory's answer, and of tokens that orders have named, so many are told.
_MOST, _MOST_MET = 20, 100


class Extension(Shape):
    """What a mint has beside a plain token."""

    name: str
    detail: str
    risk: bool = Field(description="somebody can take the token back by it, or stop it")


class Token(Shape):
    """What is null is not known now."""

    symbol: str = Field(description="the mint, where it has no symbol")
    mint: str
    decimals: int
    origin: Literal["pinned", "added", "chain"] = Field(
        description="the pinned list, the user, or the chain alone: an order has named its mint"
    )
    program: str | None
    mint_authority: str | None = Field(description="can make more of it")
    freeze_authority: str | None = Field(description="can freeze it in any wallet")
    extensions: list[Extension] | None
    accepted: list[str] = Field(description="the extensions whose risk the user takes")


class Tokens(Shape):
    tokens: list[Token]


class AddedToken(Token):
    """`proposed`: what the token calls itself, where nobody has given it a symbol and it could be one."""

    proposed: str | None
    poses_as: str | None = Field(description="the symbol that what it calls itself looks like")


class TokenIn(Body):
    """A token to add, or to change."""

    mint: str = Field(max_length=60)
    symbol: str | None = Field(None, max_length=60, description="what it is to be called")
    accept: list[str] = Field([], max_length=30, description="the extensions whose risk is taken, by name")


class FoundToken(Shape):
    symbol: str
    name: str
    mint: str
    decimals: int | None
    verified: bool = Field(description="by who keeps the directory")
    origin: Literal["pinned", "added"] | None = Field(description="null: it can't be traded by its symbol")


class FoundTokens(Shape):
    tokens: list[FoundToken]
    directory: Literal["asked", "none", "unavailable"]


@router.get("/tokens", responses=answers(Tokens))
async def listed_tokens(request: Request) -> JSONResponse:
    """What can be traded by its symbol, then what orders have named by its mint."""
    state = state_of(request)
    facts, book = await state.desk.all_facts(), state.desk.book
    rows = [_token(state, t, facts.get(t.mint)) for t in book]
    rows += [_token(state, one.token, one.facts) for one in book.met()[-_MOST_MET:]]
    return JSONResponse({"tokens": rows})


@router.get("/tokens/search", responses=answers(FoundTokens))
async def search_tokens(
    request: Request, query: Annotated[str, Query(min_length=1, max_length=60)]
) -> JSONResponse:
    """Tokens by a part of their symbol, name or mint: listed ones, then what a directory knows."""
    state, text = state_of(request), query.strip().lower()
    rows = [
        order_wire.told(FoundToken, t, name="", verified=True, origin=_origin(state, t.mint))
        for t in state.desk.book
        if text in t.symbol.lower() or text == t.mint.lower()
    ]
    listed, directory = {row["mint"] for row in rows}, state.network.directory
    said: Literal["asked", "none", "unavailable"] = "none" if directory is None else "asked"
    if directory is not None:
        try:
            found = await directory.search(query.strip(), SEARCH_S)
        except VenueError:
            found, said = (), "unavailable"
        rows += [
            order_wire.told(FoundToken, t, origin=_origin(state, t.mint))
            for t in found[:_MOST]
            if t.mint not in listed
        ]
    return JSONResponse({"tokens": rows, "directory": said})


class NewToken(Shape):
    mint: str
    symbol: str = Field(description="what it calls itself, which anybody can write")
    in_s: float = Field(description="seconds until it is traded, about")


class NewTokens(Shape):
    tokens: list[NewToken]


@router.get("/tokens/new", responses=answers(NewTokens, 409, 503))
async def new_tokens(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> JSONResponse:
    """Tokens that will be traded next, the nearest first; where a network tells."""
    network = state_of(request).network
    if network.listings is None:
        raise Conflict(f"Nobody looks for new tokens on {network.name} yet.", code="no_listing_source")
    found = await network.listings.upcoming(limit)
    if found is None:
        said = f"On {network.name} nobody tells which tokens come next."
        raise Conflict(said, code="nobody_tells", hint="oee snipe waits for one by its mint.")
    return JSONResponse({"tokens": [order_wire.told(NewToken, t, in_s=round(t.in_s, 1)) for t in found]})


@router.post("/tokens", responses=answers(AddedToken, 409, 503))
async def add_token(request: Request, asked: TokenIn) -> JSONResponse:
    """Adds a token by its mint, or says anew what it is called and which of its risks are taken."""
    state = state_of(request)
    known = await state.desk.add(asked.mint.strip(), asked.symbol, asked.accept)
    row = _token(state, known.token, known.facts)
    said = known.facts.symbol
    if said is None or known.symbol is not None:
        return JSONResponse(row | {"proposed": None, "posesAs": None})
    taken = alike(said, (token for token in state.desk.book if token.mint != known.facts.mint))
    proposed = said if taken is None and said.isascii() and said.isprintable() and len(said) <= 20 else None
    return JSONResponse(row | {"proposed": proposed, "posesAs": taken and taken.symbol})


@router.delete("/tokens/{name}", responses=answers(Token, 409))
async def remove_token(request: Request, name: str) -> JSONResponse:
    """Takes back what was said of an added token; orders name it by its mint all the same."""
    state = state_of(request)
    removed = await state.desk.remove(name.strip())
    return JSONResponse(_token(state, removed.token, removed.facts))


def _origin(state: State, mint: str) -> str | None:
    if state.desk.book.is_pinned(mint):
        return "pinned"
    known = state.desk.book.known(mint)
    return "added" if known is not None and known.added else None


def _token(state: State, token: OurToken, facts: MintFacts | None) -> dict[str, Any]:
    known = state.desk.book.known(token.mint)
    return {
        "symbol": token.symbol,
        "mint": token.mint,
        "decimals": token.decimals,
        "origin": _origin(state, token.mint) or "chain",
        "program": facts and facts.program,
        "mintAuthority": facts and facts.mint_authority,
        "freezeAuthority": facts and facts.freeze_authority,
        "extensions": facts and [order_wire.told(Extension, one) for one in facts.extensions],
        "accepted": [] if known is None else list(known.accepted),
    }
