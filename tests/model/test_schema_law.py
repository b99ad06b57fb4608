"""For every kind: what its schema allows decodes without a problem and comes back as it was."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lateen.model.schema import decode, describe, kinds
from lateen.model.schema.describe import Schema
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation import codes, dispatch

TYPED = [info for info in kinds.KINDS.values() if info.struct is not None]
WORDS = st.sampled_from(["a", "b.c", "example.com/d"])
MOMENTS = st.sampled_from(["2026-11-24T08:00:00Z", "2026-11-24T08:00:00.123456+01:00"])
QUANTITIES = st.sampled_from(["0", "500m", "1536Mi", "-2e3", "1E"])
BYTES = st.sampled_from(["", "YQ==", "3q2+7w=="])
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["", "x", "10s"]),
    "integer": st.integers(0, 9),
    "number": st.integers(0, 9).map(float),
    "boolean": st.booleans(),
    "int-or-string": st.integers(0, 9) | st.just("web"),
    "any": st.just({"kept": [1, None]}),
}


@st.composite
def bodies(draw: st.DrawFn, node: Schema, depth: int = 0) -> Any:
    """Draw a value that a schema allows; the deeper, the fewer optional fields."""
    if node.enum:
        return draw(st.sampled_from(node.enum))
    if node.form == "date-time":
        return draw(MOMENTS)
    if node.form == "quantity":
        return draw(QUANTITIES)
    if node.form == "byte":
        return draw(BYTES)
    if node.type in SCALARS:
        return draw(SCALARS[node.type])
    if node.type == "object":
        optional = [name for name in node.fields if name not in node.required]
        count = 3 if depth < 6 else 0
        some = (
            draw(st.lists(st.sampled_from(optional), max_size=count, unique=True))
            if optional
            else []
        )
        chosen = [*node.required, *some]
        return {name: draw(bodies(node.fields[name], depth + 1)) for name in chosen}
    assert node.items is not None
    if node.type == "array":
        return [draw(bodies(node.items, depth + 1)) for _ in range(draw(st.integers(0, 2)))]
    keys = st.sampled_from(["80", "443"]) if node.integer_keys else WORDS
    return {key: draw(bodies(node.items, depth + 1)) for key in draw(st.sets(keys, max_size=2))}


@pytest.mark.parametrize("info", TYPED, ids=lambda info: str(info.kind))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_what_the_schema_allows_is_decoded(info: KindInfo, data: st.DataObject) -> None:
    body = data.draw(bodies(describe.of_kind(info)))
    decoded = decode.decode(info, body)
    assert not decoded.problems
    assert decoded.body == body
    written = json.loads(json.dumps(msgspec.to_builtins(decoded.object, str_keys=True)))
    again = decode.decode(info, written)
    assert again.object == decoded.object
    found = dispatch.validate(info, decoded.object)
    places = [finding.path for finding in (*found.errors, *found.warnings)]
    assert all(describe.at(describe.of_kind(info), path) is not None for path in places)
    assert len(codes.warnings(info, decoded.object)) == len(found.warnings)


def names(node: Schema, path: str, found: set[str]) -> None:
    """Collect the paths of fields without a description."""
    for name, child in node.fields.items():
        if not child.description:
            found.add(f"{node.name}.{name}")
        if path.count(".") < 8:
            inner = child
            while inner.items is not None:
                inner = inner.items
            names(inner, f"{path}.{name}", found)


@pytest.mark.parametrize("info", TYPED, ids=lambda info: str(info.kind))
def test_every_field_is_described(info: KindInfo) -> None:
    missing: set[str] = set()
    names(describe.of_kind(info), info.kind, missing)
    assert not missing
