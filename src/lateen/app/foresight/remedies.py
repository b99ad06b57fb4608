"""Patches that mend a request: each was laid over the manifests, compiled, and explained again."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lateen.app.foresight import changes, telling
from lateen.app.foresight.changes import Case, Patch
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.foresight.state import Foresight, Question
from lateen.base.jsonvalue import Json
from lateen.model.manifests import edit, reader
from lateen.model.meta import ObjectRef
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change as Changed
from lateen.model.validation import dispatch
from lateen.predict.values.outcome import Branch, Foretold, Prediction

MOST = 4
"""Remedies that are told."""
_TRIED = 24
"""Changes that are tried."""
_OF_THE_PATH = (404, 405)
_ALONE = frozenset(
    {"DestinationRule", "VirtualService", "Gateway", "PeerAuthentication", "AuthorizationPolicy"}
)
"""Kinds that no controller acts on: a change is laid over the compiled state."""


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was tried: as a diff of the file, and what the request does then."""

    title: str
    weakens: bool
    diff: str
    outcome: Foretold


class Files(msgspec.Struct, frozen=True):
    """The manifests with the text that they were read from."""

    items: Sequence[Item]
    texts: Mapping[str, str]
    """By file; what was built by a program has none."""

    def find(self, ref: ObjectRef) -> Item | None:
        """Return the manifest of an object that can be edited."""
        for item in self.items:
            meta = item.body.get("metadata") or {}
            same = (item.body.get("kind"), meta.get("name")) == (ref.kind, ref.name)
            if same and str(meta.get("namespace") or "") == ref.namespace:
                return item if item.file in self.texts else None
        return None


def tried(
    files: Files, base: Rehearsal, foresight: Foresight, request: Question, found: Prediction
) -> list[Remedy]:
    """Return the remedies for a request that fails, those that weaken something last."""
    outcomes = (branch.outcome for branch in found.branches)
    failed = next((each for each in outcomes if each.code not in telling.REACHED), None)
    if failed is None:
        return []
    asked = foresight.asked(request)
    bodies = {ref: item.body for item in files.items if (ref := _ref(item)) is not None}
    path = request.url.partition("://")[2].partition("/")
    host = next((v for n, v in request.headers if n.lower() == "host"), asked.host)
    case = Case(failed, bodies, foresight.snapshot, foresight.network, host, f"/{path[2]}")
    mended: list[Remedy] = []
    for number, change in enumerate(changes.candidates(case)):
        if number == _TRIED or len(mended) == MOST:
            break
        remedy = _try(files, base, foresight, request, change)
        if remedy is not None:
            mended.append(remedy)
    return mended


def _ref(item: Item) -> ObjectRef | None:
    meta = item.body.get("metadata") or {}
    if not meta.get("name"):
        return None
    return ObjectRef(
        str(item.body.get("kind")), str(meta.get("namespace") or ""), str(meta["name"])
    )


def _try(
    files: Files, base: Rehearsal, foresight: Foresight, request: Question, change: Patch
) -> Remedy | None:
    item = files.find(change.ref)
    if item is None:
        return None
    before = files.texts[item.file]
    after = before
    try:
        for each in change.edits:
            after = edit.edited(after, item.line, each)
    except edit.EditError:
        return None
    body = _read(after, item)
    if body is None or not _valid(body):
        return None
    then = _explained(files, base, foresight, request, item, body)
    (first, *_) = then.branches
    if telling.exit_code(then) != 0 or not all(map(_wished, then.branches)):
        return None
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), item.file, item.file, n=1, lineterm=""
    )
    diff = "\n".join(lines)
    return Remedy(title=change.title, weakens=change.weakens, diff=diff, outcome=first.outcome)


def _wished(branch: Branch) -> bool:
    """Whether it is answered, and by no error but what an application says of a path or method."""
    outcome = branch.outcome
    return outcome.code != "application-status" or outcome.status in _OF_THE_PATH


def _read(text: str, item: Item) -> Json | None:
    for found in reader.parse(text, item.file).manifests:
        if found.line == item.line:
            meta = {**(found.body.get("metadata") or {})}
            space = (item.body.get("metadata") or {}).get("namespace")
            if space:
                meta["namespace"] = space
            return {**found.body, "metadata": meta}
    return None


def _valid(body: Json) -> bool:
    info = kinds.find(str(body.get("apiVersion")), str(body.get("kind")))
    if info is None:
        return False
    decoded = decode.decode(info, body, strict=True)
    if decoded.object is None or decoded.problems:
        return False
    return not dispatch.validate(info, decoded.object).errors


def _explained(
    files: Files,
    base: Rehearsal,
    foresight: Foresight,
    request: Question,
    item: Item,
    body: Json,
) -> Prediction:
    info = kinds.find(str(body["apiVersion"]), str(body["kind"]))
    assert info is not None, "it was read before"
    if info.kind in _ALONE:
        meta = body["metadata"]
        found = decode.decode_stored(info, base.defaulted(info.resource, body))
        change = Changed(info.resource, str(meta.get("namespace") or ""), str(meta["name"]), found)
        snapshot = foresight.snapshot.with_changes([change])
        return foresight.over(snapshot, base.mesh(snapshot)).predict(request)
    other = Item(body, item.locate, item.file, item.line)
    made = base.again([other if each is item else each for each in files.items])
    snapshot = made.snapshot()
    return foresight.over(snapshot, made.mesh(snapshot)).predict(request)


def told(found: Sequence[Remedy], locate: telling.Locate) -> Iterator[Json]:
    """Yield remedies as the document has them."""
    for each in found:
        after = telling.outcome(each.outcome, locate)
        yield {
            "title": each.title,
            "weakens": each.weakens,
            "diff": each.diff,
            "then": {
                "status": after["status"],
                "code": after["code"],
                "legs": [{"name": leg["name"], "tls": leg["tls"]} for leg in after["legs"]],
            },
        }
