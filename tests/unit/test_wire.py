"""What crosses the wire changes with a word: whoever changes it decides whether that is another protocol."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

from oee_daemon.api import api_app, api_state
from oee_daemon.contract import fields, protocol, shapes

#: Of a schema: what a program reads. Words for people, and what libraries word differently, are left out.
STRUCTURE = ("type", "format", "enum", "const", "$ref", "required")
NESTED, LISTED = ("items", "additionalProperties"), ("anyOf", "oneOf", "allOf")
#: FastAPI's own; no answer here has them.
FOREIGN = ("ValidationError", "HTTPValidationError")


def schema(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    told: dict[str, Any] = {name: found[name] for name in STRUCTURE if name in found}
    told |= {name: schema(found[name]) for name in NESTED if name in found}
    told |= {name: [schema(one) for one in found[name]] for name in LISTED if name in found}
    if "properties" in found:
        told["properties"] = {name: schema(one) for name, one in found["properties"].items()}
    return told


def content(found: dict[str, Any]) -> dict[str, Any]:
    return {kind: schema(one.get("schema", {})) for kind, one in found.get("content", {}).items()}


def call(found: dict[str, Any]) -> dict[str, Any]:
    asked = [(p["in"], p["name"], p["required"], schema(p["schema"])) for p in found.get("parameters", ())]
    return {
        "asked": asked,
        "body": content(found.get("requestBody", {})),
        "answers": {status: content(answer) for status, answer in found["responses"].items()},
    }


def typed() -> dict[str, dict[str, str]]:
    """What the command line takes answers and events for."""
    tree = ast.parse(Path(shapes.__file__).read_text())
    return {
        node.name: {
            ast.unparse(line.target): ast.unparse(line.annotation)
            for line in node.body
            if isinstance(line, ast.AnnAssign)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def wire() -> dict[str, Any]:
    document = api_app.build(object.__new__(api_state.State)).openapi()
    calls = {
        f"{method} {path}": call(found)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    }
    parts = document["components"]["schemas"]
    return {
        "calls": calls,
        "shapes": {name: schema(one) for name, one in parts.items() if name not in FOREIGN},
        "typed": typed(),
        "fields": [(f.name, f.kind, f.given, f.edited, f.told, f.null) for f in fields._ALL],
        "words": {
            name: value
            for name, value in vars(protocol).items()
            if name.isupper() and name not in ("VERSION", "PROTOCOL", "WIRE")
        },
    }


def test_what_crosses_the_wire_changes_with_a_word() -> None:
    found = hashlib.sha256(json.dumps(wire(), sort_keys=True).encode()).hexdigest()[:16]
    assert found == protocol.WIRE, (
        "What the command line and the daemon say to each other has changed. Where the one of before would"
        " misread or refuse it, add 1 to PROTOCOL in oee_daemon/contract/protocol.py; where it only adds what"
        f' the other may leave alone, PROTOCOL stays. In both cases write there: WIRE = "{found}"'
    )


def test_words_for_people_are_no_change_and_a_field_is() -> None:
    plain = {"type": "object", "properties": {"a": {"type": "string", "description": "x"}}, "title": "T"}
    assert schema(plain) == schema(plain | {"title": "U", "description": "new"})
    assert schema(plain) != schema(plain | {"required": ["a"]})
    assert schema(plain) != schema(plain | {"properties": {}})
