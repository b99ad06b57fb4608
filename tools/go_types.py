"""Reads the struct types of Kubernetes' API from its Go modules: names, types, tags and markers.

What is read is the published source of the API (`k8s.io/api`), fetched and checked by the `go`
command. Only what a declaration says as data is kept; the sentences in it are not.
"""

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

VERSION = "v0.37.2"
"""Kubernetes 1.37; the version of the client library that the tests compare with."""
API = "k8s.io/api"
META = "k8s.io/apimachinery"
EXTENSIONS = "k8s.io/apiextensions-apiserver"

SCALARS = {
    "string": "string",
    "bool": "boolean",
    "int32": "integer",
    "int64": "integer",
    "float64": "number",
    f"{META}/pkg/apis/meta/v1.Time": "date-time",
    f"{META}/pkg/apis/meta/v1.MicroTime": "date-time",
    f"{META}/pkg/api/resource.Quantity": "quantity",
    f"{META}/pkg/util/intstr.IntOrString": "int-or-string",
}

CLOSED = frozenset(
    {
        "ConditionStatus",
        "ContainerRestartRuleAction",
        "ContainerRestartRuleOnExitCodesOperator",
        "HPAScalingPolicyType",
        "MetricSourceType",
        "MetricTargetType",
        "OSName",
        "ResourceResizeRestartPolicy",
        "ScalingPolicySelect",
    }
)
"""Types that are not marked as enumerations, though a server takes their constants only."""
_STRUCT = re.compile(r"^type (\w+) struct ?\{(\})?$")
_NAMED = re.compile(r"^type (\w+) ([\w\[\].*]+)$")
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w\[\].*]+)\s+`(.*)`")
_TAG = re.compile(r'(\w+):"([^"]*)"')
_CONSTANT = re.compile(r'^\s*\w+\s+(\w+)\s*=\s*"([^"]*)"')
_IMPORT = re.compile(r'^\s*(?:import\s+)?(\w+\s+)?"([\w./-]+)"$')


class Field(NamedTuple):
    """One field of a Go struct. `type` is as in the source, `name` the one in JSON."""

    name: str
    type: str
    omitted_when_empty: bool
    embedded: bool
    number: int
    wire_name: str
    markers: frozenset[str]
    patch_key: str
    patch_strategies: tuple[str, ...]


class Struct(NamedTuple):
    """A struct of a package, and the markers above it."""

    package: str
    name: str
    fields: tuple[Field, ...]
    markers: frozenset[str]


class Package(NamedTuple):
    """What one Go package declares: structs, names for other types, values of enumerations."""

    path: str
    structs: dict[str, Struct]
    named: dict[str, str]
    enums: dict[str, tuple[str, ...]]
    imports: dict[str, str]


@functools.cache
def directory(module: str) -> Path:
    """Return where the go command keeps a module's source. Raises OSError or CalledProcessError
    when there is no such command, or no way to fetch the module."""
    asked = ["go", "mod", "download", "-json", f"{module}@{VERSION}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd="/", timeout=120)
    return Path(json.loads(done.stdout)["Dir"])


@functools.cache
def package(path: str) -> Package:
    """Read a package by its import path, such as `k8s.io/api/core/v1`."""
    module = next(one for one in (API, META, EXTENSIONS) if path.startswith(f"{one}/"))
    folder = directory(module) / path.removeprefix(f"{module}/")
    found = Package(path, {}, {}, {}, {})
    for source in sorted(folder.glob("*.go")):
        if not source.name.endswith("_test.go") and "generated" not in source.name:
            _read(source.read_text().splitlines(), found)
    return found


def _read(lines: list[str], found: Package) -> None:
    markers: list[str] = []
    enumerations: set[str] = set()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("//"):
            markers.append(line[2:].strip())
            continue
        if imported := _IMPORT.match(line):
            path = imported[2]
            found.imports[(imported[1] or path.rpartition("/")[2]).strip()] = path
        elif constant := _CONSTANT.match(line):
            kind, value = constant.groups()
            if kind in enumerations or kind in found.enums:
                found.enums[kind] = tuple(sorted({*found.enums.get(kind, ()), value}))
        elif struct := _STRUCT.match(line):
            end = at if struct[2] else at + lines[at:].index("}")
            made = Struct(found.path, struct[1], _fields(lines[at:end]), _marked(markers))
            found.structs[struct[1]] = made
            at = end
        elif named := _NAMED.match(line):
            found.named[named[1]] = named[2]
            if "+enum" in markers or named[1] in CLOSED:
                found.enums.setdefault(named[1], ())
        if line:
            markers = []


def _marked(lines: list[str]) -> frozenset[str]:
    return frozenset(line for line in lines if line.startswith("+"))


def _fields(lines: list[str]) -> tuple[Field, ...]:
    found = []
    comments: list[str] = []
    for line in lines:
        if line.startswith("\t//"):
            comments.append(line[3:].strip())
            continue
        if match := _FIELD.match(line):
            kind, tags = match[2], dict(_TAG.findall(match[3]))
            made = _field(kind, tags, _marked(comments))
            if made is not None:
                found.append(made)
        if line.strip():
            comments = []
    return tuple(found)


def _field(kind: str, tags: dict[str, str], markers: frozenset[str]) -> Field | None:
    shown, *options = tags.get("json", "").split(",")
    if shown == "-":
        return None
    wire = tags.get("protobuf", "").split(",")
    return Field(
        name=shown,
        type=kind,
        omitted_when_empty="omitempty" in options or "omitzero" in options,
        embedded=not shown,
        number=int(wire[1]) if len(wire) > 1 else 0,
        wire_name=next((part[5:] for part in wire if part.startswith("name=")), shown),
        markers=markers,
        patch_key=tags.get("patchMergeKey", ""),
        patch_strategies=tuple(filter(None, tags.get("patchStrategy", "").split(","))),
    )


def resolve(home: str, name: str) -> tuple[str, str]:
    """Return the package and the bare name of a type that is named in a package."""
    alias, dot, bare = name.rpartition(".")
    return (package(home).imports[alias], bare) if dot else (home, name)


def flat(struct: Struct) -> Iterator[Field]:
    """The fields as JSON has them: those of embedded structs among the others."""
    for field in struct.fields:
        if field.embedded:
            home, bare = resolve(struct.package, field.type.lstrip("*"))
            yield from flat(package(home).structs[bare])
        else:
            yield field


def shape(home: str, type_: str) -> tuple[str, str, str]:
    """Split a Go type into a list's or a map's mark (`[]`, `{}`, with `?` for a pointer), and the
    package and name of what it holds."""
    if type_ == "[]byte":
        return "", home, "[]byte"
    if type_.startswith("*"):
        around, home, bare = shape(home, type_[1:])
        return f"?{around}", home, bare
    if type_.startswith("[]"):
        around, home, bare = shape(home, type_[2:])
        return f"[]{around}", home, bare
    if type_.startswith("map["):
        around, home, bare = shape(home, type_[type_.index("]") + 1 :])
        return "{}" + around, home, bare
    home, bare = resolve(home, type_)
    if not home.startswith("k8s.io/api"):
        return "", home, "string"
    alias = package(home).named.get(bare, "")
    if alias.startswith(("[]", "map[")):
        return shape(home, alias)
    return "", home, bare


def scalar(home: str, bare: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of a scalar and its allowed values; nothing for a struct."""
    if bare == "[]byte":
        return "byte", ()
    if f"{home}.{bare}" in SCALARS:
        return SCALARS[f"{home}.{bare}"], ()
    if bare in SCALARS:
        return SCALARS[bare], ()
    known = package(home)
    if bare in known.named:
        inner, _ = scalar(*resolve(home, known.named[bare]))
        return inner, known.enums.get(bare, ())
    return "", ()
