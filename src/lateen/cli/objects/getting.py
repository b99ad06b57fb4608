"""`lateen get`: objects as tables, JSON, YAML, names, or in a form that a person writes."""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import crds
from lateen.cli.objects import forms, watch
from lateen.cli.screen import printer, tables
from lateen.cli.terminal import safe_stream
from lateen.model.client import ApiError
from lateen.model.schema import decode, kinds
from lateen.model.schema.kindinfo import KindInfo

FORMATS = ("", "wide", "json", "yaml", "name")


def kind_named(api: lab_api.Api, word: str) -> KindInfo:
    """Return the kind a person means: plural, singular, short name or kind, any case; the lab's
    own definitions are asked for what is not built in.

    Raises LabError with the nearest name.
    """
    if info := kinds.find_resource(word):
        return info
    defined = crds.of_lab(api)
    made = (*defined.written, *defined.standing_in)
    if info := crds.named(word, made):
        return info
    every = (*kinds.KINDS.values(), *made)
    names = [name for k in every for name in (k.plural, k.singular, *k.short_names)]
    near = decode.nearest(word.lower(), names)
    hint = f": did you mean {near}?" if near else ""
    raise LabError(f'the server doesn\'t have a resource type "{word}"{hint}')


def _kinds_named(api: lab_api.Api, word: str) -> tuple[KindInfo, ...]:
    """Return the kinds of a category (`all`, `istio-io`) as discovery orders them, or the one kind
    that a word names."""
    category = kinds.in_category(word)
    if len({kind.group.rpartition(".istio.io")[1] for kind in category}) == 1:
        category = tuple(sorted(category, key=lambda kind: (kind.group, kind.plural)))
    return category or (kind_named(api, word),)


def targets(api: lab_api.Api, words: list[str]) -> list[tuple[KindInfo, str]]:
    """Read `KIND [NAME…]`, `KIND/NAME …` and `KIND,KIND` into (kind, name or empty) pairs."""
    if not words:
        raise LabError("name a kind, as in `lateen get pods`", exits.USAGE)
    if "/" in words[0]:
        pairs = []
        for word in words:
            kind, _, name = word.partition("/")
            if not name:
                raise LabError(f"{word}: use KIND/NAME for each, or KIND NAME", exits.USAGE)
            pairs.append((kind_named(api, kind), name))
        return pairs
    named = [kind for word in words[0].split(",") for kind in _kinds_named(api, word)]
    return [(kind, name) for kind in named for name in (words[1:] or [""])]


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """How objects are shown; names are kubectl's."""

    output: str = ""
    header: bool = True
    sort_by: str = ""
    show_labels: bool = False
    label_columns: Sequence[str] = ()


class ObjectReader:
    """Asks for objects one by one, in a namespace (empty: in all), and says of each that is
    refused why."""

    def __init__(self, api: lab_api.Api, scope: str, selector: str) -> None:
        self.api, self.scope = api, scope
        self.query = {"labelSelector": selector} if selector else {}
        self.failed = False
        self.answered: set[str] = set()
        """The kinds of which something could be asked for."""

    def path(self, kind: KindInfo, name: str) -> str:
        """Return the URL path of an object, or of all of its kind where the name is empty."""
        if name:
            return lab_api.object_path(kind, self.scope or "default", name)
        return lab_api.collection_path(kind, self.scope)

    def get(
        self,
        kind: KindInfo,
        name: str,
        accept: str = "application/json",
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        """Return the answer, None when it was a refusal."""
        try:
            answer = self.api.request(
                "GET", self.path(kind, name), query={**self.query, **query}, accept=accept
            ).body
        except ApiError as error:
            exits.complain(exits.from_server(error))
            self.failed = True
            return None
        self.answered.add(kind.resource)
        return answer


def get(asked: ObjectReader, words: list[str], shown: Presentation) -> int:
    """The command. What is there is shown, though something else that was named is not."""
    form, pairs = _understood(asked, words, shown)
    if shown.output in ("", "wide"):
        _tables(asked, pairs, shown)
    else:
        _documents(asked, pairs, shown, form)
    return exits.FAILED if asked.failed else exits.OK


def _understood(
    asked: ObjectReader, words: list[str], shown: Presentation
) -> tuple[forms.Form | None, list[tuple[KindInfo, str]]]:
    """Return the form that is asked for, if it is a person's own, and what is to be shown.

    Raises LabError for what does not go together.
    """
    form = forms.named(shown.output)
    if form is None and shown.output not in FORMATS:
        named = ", ".join((*FORMATS[1:], *(f"{name}=…" for name in forms.NAMES)))
        raise LabError(f"output {shown.output!r}: use one of {named}", exits.USAGE)
    if shown.output and shown.output != "wide" and (shown.show_labels or shown.label_columns):
        raise LabError("--show-labels and -L add columns to a table: leave out -o", exits.USAGE)
    pairs = targets(asked.api, words)
    if not asked.scope and any(name and kind.namespaced for kind, name in pairs):
        raise LabError("a resource cannot be retrieved by name across all namespaces")
    return form, pairs


def follow(asked: ObjectReader, words: list[str], shown: Presentation) -> int:
    """The command with -w: what is there, then every change, until Ctrl-C."""
    form, pairs = _understood(asked, words, shown)
    if len(pairs) != 1 or shown.sort_by:
        raise LabError("-w shows one kind or one object, unsorted: leave out the rest", exits.USAGE)
    kind, name = pairs[0]
    table = shown.output in ("", "wide")
    accept = lab_api.TABLE if table else "application/json"
    first = asked.get(kind, name, accept)
    if first is None:
        return exits.FAILED
    show = _rows_of(kind, asked, shown) if table else _documents_of(kind, shown, form)
    show(first)
    sys.stdout.flush()
    query = {**asked.query, **({"fieldSelector": f"metadata.name={name}"} if name else {})}
    path = lab_api.collection_path(kind, asked.scope)
    changes = watch.events(asked.api, path, query, watch.newest(first) or "0", accept)
    return watch.follow(changes, show)


def _rows_of(kind: KindInfo, asked: ObjectReader, shown: Presentation) -> Callable[[Json], None]:
    """Return what prints tables below each other, in columns that grow and never shrink."""
    made = tables.StreamingTable(header=shown.header)

    def show(table: Json) -> None:
        if table.get("rows"):
            head, rows = tables.cells(
                table,
                wide=shown.output == "wide",
                namespace=not asked.scope and kind.namespaced,
                labels=shown.label_columns,
                all_labels=shown.show_labels,
            )
            sys.stdout.write(made.add(head, rows) + "\n")

    return show


def _documents_of(
    kind: KindInfo, shown: Presentation, form: forms.Form | None
) -> Callable[[Json], None]:
    """Return what prints an object, or each of a list, in the form that is asked for."""

    def show(found: Json) -> None:
        single = {"apiVersion": kind.api_version, "kind": kind.kind}
        every = [{**single, **one} for one in found["items"]] if "items" in found else [found]
        for one in every:
            if shown.output == "name":
                sys.stdout.write(_name(kind, one))
            elif form:
                _write_data(form(one))
            else:
                between = "---\n" if shown.output == "yaml" else ""
                sys.stdout.write(between + printer.document(printer.plain(one), shown.output))

    return show


def _write_data(text: str) -> None:
    """Write what an expression chose: into a pipe to the letter, as a Secret's value may hold
    anything."""
    if sys.stdout.isatty():
        sys.stdout.write(text)
    else:
        safe_stream.raw(text, sys.stdout)


def _name(kind: KindInfo, one: Json) -> str:
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.singular}{group}/{one['metadata']['name']}\n"


def _tables(asked: ObjectReader, pairs: list[tuple[KindInfo, str]], shown: Presentation) -> None:
    order = forms.Order(shown.sort_by) if shown.sort_by else None
    joined = _joined(asked, pairs, whole=order is not None)
    several = len(asked.answered) > 1
    for index, table in enumerate(joined):
        kind = table["kind"]
        if index:
            sys.stdout.write("\n")
        if order:
            table["rows"] = order.sorted(table["rows"], lambda row: row["object"])
        text = tables.from_server(
            table,
            wide=shown.output == "wide",
            namespace=not asked.scope and kind.namespaced,
            header=shown.header,
            labels=shown.label_columns,
            all_labels=shown.show_labels,
            prefix=kind.singular + (f".{kind.group}" if kind.group else "") if several else "",
        )
        sys.stdout.write(text + "\n")
    if not joined and not asked.failed:
        where = f" in {asked.scope} namespace." if asked.scope and pairs[0][0].namespaced else ""
        exits.complain(f"No resources found{where}")


def _joined(
    asked: ObjectReader, pairs: list[tuple[KindInfo, str]], *, whole: bool
) -> list[dict[str, Any]]:
    """Return the tables that have rows, with `whole` the objects in them; those of one kind that
    follow each other are one."""
    include = {"includeObject": "Object"} if whole else {}
    found: list[dict[str, Any]] = []
    for kind, name in pairs:
        table = asked.get(kind, name, lab_api.TABLE, include)
        if table is None or not table.get("rows"):
            continue
        if found and found[-1]["kind"] is kind:
            found[-1]["rows"] += table["rows"]
        else:
            found.append({**table, "kind": kind})
    return found


def _documents(
    asked: ObjectReader,
    pairs: list[tuple[KindInfo, str]],
    how: Presentation,
    form: forms.Form | None,
) -> None:
    found: list[tuple[KindInfo, dict[str, Any]]] = []
    for kind, name in pairs:
        body = asked.get(kind, name)
        single = {"apiVersion": kind.api_version, "kind": kind.kind}
        if body is not None:
            listed = [{**single, **item} for item in body["items"]] if "items" in body else [body]
            found += [(kind, item) for item in listed]
    if how.sort_by:
        found = forms.Order(how.sort_by).sorted(found, lambda pair: pair[1])
    if how.output == "name":
        for kind, item in found:
            sys.stdout.write(_name(kind, item))
        return
    one = len(pairs) == 1 and bool(pairs[0][1])
    if one and not found:
        return
    # As with kubectl, what a person's own form asks for may be who manages a field.
    shown = [item if form else printer.plain(item) for _, item in found]
    document = shown[0] if one else printer.listed(shown)
    if form:
        _write_data(form(document))
    else:
        sys.stdout.write(printer.document(document, how.output))
