"""`lateen get`: objects as tables, JSON, YAML or names."""

import json
import sys
from typing import Any

from lateen.app.lab import LabError
from lateen.cli import api as lab_api
from lateen.cli import exits, tables
from lateen.model import decode, kinds
from lateen.model.kinds import KindInfo

FORMATS = ("", "wide", "json", "yaml", "name")


def kind_named(word: str) -> KindInfo:
    """Return the kind a person means: plural, singular, short name or kind, any case.

    Raises LabError with the nearest name.
    """
    if info := kinds.find_resource(word):
        return info
    names = [n for k in kinds.KINDS.values() for n in (k.plural, k.singular, *k.short_names)]
    near = decode.nearest(word.lower(), names)
    hint = f": did you mean {near}?" if near else ""
    raise LabError(f'the server doesn\'t have a resource type "{word}"{hint}')


def _kinds_named(word: str) -> tuple[KindInfo, ...]:
    """Return the kinds of a category (`all`, `istio-io`), or the one kind that a word names."""
    return kinds.in_category(word) or (kind_named(word),)


def targets(words: list[str]) -> list[tuple[KindInfo, str]]:
    """Read `KIND [NAME…]`, `KIND/NAME …` and `KIND,KIND` into (kind, name or empty) pairs."""
    if not words:
        raise LabError("name a kind, as in `lateen get pods`", exits.USAGE)
    if "/" in words[0]:
        pairs = []
        for word in words:
            kind, _, name = word.partition("/")
            if not name:
                raise LabError(f"{word}: use KIND/NAME for each, or KIND NAME", exits.USAGE)
            pairs.append((kind_named(kind), name))
        return pairs
    named = [kind for word in words[0].split(",") for kind in _kinds_named(word)]
    return [(kind, name) for kind in named for name in (words[1:] or [""])]


def get(
    api: lab_api.Api,
    words: list[str],
    *,
    namespace: str,
    everywhere: bool,
    selector: str,
    output: str,
    header: bool = True,
) -> int:
    """The command."""
    if output not in FORMATS:
        raise LabError(f"output {output!r}: use json, yaml, wide or name", exits.USAGE)
    pairs = targets(words)
    scope = "" if everywhere else namespace
    if output in ("json", "yaml", "name"):
        return _documents(api, pairs, scope, selector, output)
    printed = 0
    for index, (kind, name) in enumerate(pairs):
        table = _table(api, kind, name, scope, selector)
        if not table.get("rows"):
            continue
        several = len({k.resource for k, _ in pairs}) > 1
        if printed and (several or not name):
            sys.stdout.write("\n")
        text = tables.from_server(
            table,
            wide=output == "wide",
            namespace=everywhere and kind.namespaced,
            header=header and (index == 0 or not name or several),
            prefix=kind.singular + (f".{kind.group}" if kind.group else "") if several else "",
        )
        sys.stdout.write(text + "\n")
        printed += 1
    if not printed:
        where = f" in {scope} namespace" if scope and pairs[0][0].namespaced else ""
        exits.complain(f"No resources found{where}.")
    return exits.OK


def _path(kind: KindInfo, name: str, scope: str) -> str:
    if not name:
        return lab_api.collection_path(kind, scope)
    return lab_api.object_path(kind, scope or "default", name)


def _table(
    api: lab_api.Api, kind: KindInfo, name: str, scope: str, selector: str
) -> dict[str, Any]:
    query = {"labelSelector": selector} if selector else None
    table: dict[str, Any] = api.request(
        "GET", _path(kind, name, scope), query=query, accept=lab_api.TABLE
    ).body
    return table


def _documents(
    api: lab_api.Api,
    pairs: list[tuple[KindInfo, str]],
    scope: str,
    selector: str,
    output: str,
) -> int:
    query = {"labelSelector": selector} if selector else None
    found: list[dict[str, Any]] = []
    for kind, name in pairs:
        body = api.request("GET", _path(kind, name, scope), query=query).body
        single = {"apiVersion": kind.api_version, "kind": kind.kind}
        found += [{**single, **item} for item in body["items"]] if "items" in body else [body]
    if output == "name":
        for item in found:
            info = kinds.find(item["apiVersion"], item["kind"])
            group = f".{info.group}" if info and info.group else ""
            word = info.singular if info else item["kind"].lower()
            sys.stdout.write(f"{word}{group}/{item['metadata']['name']}\n")
        return exits.OK
    one = len(pairs) == 1 and pairs[0][1]
    document: Any = (
        found[0] if one else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": found}
    )
    sys.stdout.write(_dump(document, output))
    return exits.OK


def _dump(document: Any, output: str) -> str:
    if output == "json":
        return json.dumps(document, indent=4) + "\n"
    import yaml

    text: str = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=True, width=1000)
    return text
