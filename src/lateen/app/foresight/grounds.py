"""Where remedies are tried: on manifests in files, and on the objects that a lab holds."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import yaml

from lateen.apiserver.kinds.strategy import registry
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.foresight.remedies import Objects, edited
from lateen.app.foresight.state import Foresight
from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.causes import change
from lateen.causes.change import APPEND
from lateen.causes.remedies import INJECT, Remedy
from lateen.compiler.frontend.assemble import Frontend
from lateen.compiler.ir.proxy import MeshSettings
from lateen.controllers.engine import actions, cache, fields
from lateen.controllers.injection import injector
from lateen.controllers.network import endpoints
from lateen.model.manifests import edit, reader
from lateen.model.meta import ObjectRef
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change, Snapshot
from lateen.observe.verdicts import manifest_text

_ALONE = frozenset(
    {
        "DestinationRule",
        "VirtualService",
        "Gateway",
        "PeerAuthentication",
        "AuthorizationPolicy",
        "Sidecar",
    }
)
"""Kinds that no controller acts on: a change is laid over the compiled state."""


def _of_rules(snapshot: Snapshot, changed: Objects) -> Snapshot | None:
    """Return a snapshot with changed objects; None if controllers would have to act on one."""
    changes = []
    for ref, body in changed.items():
        info = kinds.by_kind(ref.kind)
        if info is None or ref.kind not in _ALONE:
            return None
        made = None
        if body is not None:
            body = registry.strategy_for(info.resource).default(clone(body))
            made = decode.decode_stored(info, body)
        changes.append(Change(info.resource, ref.namespace, ref.name, made))
    return snapshot.with_changes(changes)


def _of_services(snapshot: Snapshot, changed: Objects) -> Snapshot | None:
    """Return a snapshot with changed Services, and the EndpointSlices that the controller would
    make of them; None if something else changes too."""
    changes: list[Change] = []
    for ref, body in changed.items():
        if ref.kind != "Service" or body is None:
            return None
        known = cache.Cache()
        known.put("services", body)
        for resource in ("pods", endpoints.RESOURCE):
            for (space, _), each in snapshot.of(resource).items():
                if space == ref.namespace:
                    known.put(resource, msgspec.to_builtins(each, str_keys=True))
        decoded = decode.decode_stored(kinds.KINDS["services"], body)
        changes.append(Change("services", ref.namespace, ref.name, decoded))
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for action in endpoints.reconcile((ref.namespace, ref.name), known, now).actions:
            match action:
                case actions.Create(resource, made) | actions.Update(resource, made):
                    changes.append(_stored(resource, made))
                case actions.Delete(resource, space, name):
                    changes.append(Change(resource, space, name, None))
                case _:
                    pass
    compiled = [each for each in changes if kinds.KINDS[each.resource].compiled]
    return snapshot.with_changes(compiled)


def _stored(resource: str, body: JsonView) -> Change:
    made = {**body, "metadata": {"name": "made-anew", **body["metadata"]}}
    info = kinds.KINDS[resource]
    decoded = decode.decode_stored(info, registry.strategy_for(resource).default(clone(made)))
    return Change(resource, fields.namespace(made), fields.name(made), decoded)


class FilesGround:
    """Manifests with the text that they were read from, over a rehearsed lab."""

    def __init__(
        self,
        items: Sequence[Item],
        texts: Mapping[str, str],
        base: Rehearsal,
        foresight: Foresight,
    ) -> None:
        """`texts` is by file; what was built by a program has none, and cannot be changed."""
        self._items, self._texts, self._base = items, texts, base
        self._foresight = foresight

    def _item(self, ref: ObjectRef) -> Item | None:
        for item in self._items:
            meta = item.body.get("metadata") or {}
            same = (item.body.get("kind"), meta.get("name")) == (ref.kind, ref.name)
            if same and str(meta.get("namespace") or "") == ref.namespace:
                return item if item.file in self._texts else None
        return None

    def body(self, ref: ObjectRef) -> JsonView | None:
        """Return a manifest."""
        item = self._item(ref)
        return item.body if item is not None else None

    def laid(self, remedy: Remedy) -> tuple[Objects, str] | None:
        """Edit the files' text, and read it again: what is told is what was tried."""
        texts: dict[str, str] = {}
        objects: dict[ObjectRef, Json | None] = {}
        for each in remedy.edits:
            item = self._item(each.ref)
            try:
                if item is None:
                    file = self._neighbour(remedy, each)
                    texts[file] = _joined(texts.get(file, self._texts[file]), each.value)
                    objects[each.ref] = dict(each.value)
                    continue
                before = texts.get(item.file, self._texts[item.file])
                texts[item.file] = _text(before, item.line, each)
            except (edit.EditError, KeyError, StopIteration):
                return None
            objects[each.ref] = None if not each.path else _read(texts[item.file], item)
            if each.path and objects[each.ref] is None:
                return None
        return objects, "\n".join(self._diff(file, text) for file, text in texts.items())

    def _neighbour(self, remedy: Remedy, each: change.Edit) -> str:
        """Return the file that an object is added to: that of another edit, or of its namespace.
        Raises KeyError for an object that cannot be changed, StopIteration without a file."""
        if each.path or each.remove:
            raise KeyError(str(each.ref))
        others = [item for e in remedy.edits if (item := self._item(e.ref)) is not None]
        space = each.ref.namespace
        near = [
            item
            for item in self._items
            if item.file in self._texts
            and str((item.body.get("metadata") or {}).get("namespace") or "") == space
        ]
        return next(item.file for item in (*others, *reversed(near)))

    def _diff(self, file: str, text: str) -> str:
        before = self._texts[file]
        lines = difflib.unified_diff(
            before.splitlines(), text.splitlines(), file, file, n=1, lineterm=""
        )
        return "\n".join(lines)

    def over(self, changed: Objects) -> Foresight | None:
        """Foretell with changed manifests: controllers work anew where that may matter."""
        snapshot = _of_rules(self._foresight.snapshot, changed)
        if snapshot is not None:
            return self._foresight.over(snapshot, self._base.mesh(snapshot))
        items: list[Item] = []
        for item in self._items:
            ref = _ref(item)
            if ref not in changed:
                items.append(item)
            elif (body := changed[ref]) is not None:
                items.append(Item(body, item.locate, item.file, item.line))
        known = {_ref(item) for item in items}
        items += [Item(body) for ref, body in changed.items() if body and ref not in known]
        made = self._base.again(items)
        snapshot = made.snapshot()
        return self._foresight.over(snapshot, made.mesh(snapshot))


class LabGround:
    """The objects of a lab or cluster as they are applied."""

    def __init__(self, foresight: Foresight, settings: MeshSettings, injected: bool) -> None:
        """`injected`: whether a namespace without a label gets sidecars."""
        self._foresight, self._frontend = foresight, Frontend(settings)
        self._injection = injector.InjectionSettings(inject_unlabelled=injected)

    def body(self, ref: ObjectRef) -> JsonView | None:
        """Return an object of a compiled kind."""
        found: JsonView | None = manifest_text.body(self._foresight.snapshot, ref)
        if found is None:
            return None
        info = kinds.by_kind(ref.kind)
        head = {"apiVersion": info.api_versions[0] if info is not None else "", "kind": ref.kind}
        return {**head, **found}

    def laid(self, remedy: Remedy) -> tuple[Objects, str] | None:
        """Edit the objects. There is no file, and so no diff."""
        if all(_injects(each) for each in remedy.edits):
            return {each.ref: None for each in remedy.edits}, ""
        found = edited(self, remedy)
        return (found, "") if found is not None else None

    def over(self, changed: Objects) -> Foresight | None:
        """Foretell with changed objects. A workload's pods get the sidecar that it asks for."""
        known = self._foresight.snapshot
        every = (
            _of_rules(known, changed),
            _of_services(known, changed),
            self._injected(changed),
        )
        snapshot = next((each for each in every if each is not None), None)
        if snapshot is None:
            return None
        return self._foresight.over(snapshot, self._frontend.build(snapshot))

    def _injected(self, changed: Objects) -> Snapshot | None:
        snapshot, info = self._foresight.snapshot, kinds.by_kind("Pod")
        changes = []
        for ref in changed:
            if ref.kind != "Deployment" or info is None:
                return None
            home = snapshot.namespaces.get(("", ref.namespace))
            for (space, name), pod in snapshot.pods.items():
                owners = [each.name.rpartition("-")[0] for each in pod.metadata.owner_references]
                if space != ref.namespace or ref.name not in owners or home is None:
                    continue
                body = msgspec.to_builtins(pod, str_keys=True)
                fields.labels(body)
                body["metadata"].setdefault("labels", {})[INJECT] = "true"
                around = msgspec.to_builtins(home, str_keys=True)
                made = injector.inject(body, around, self._injection)
                made = registry.strategy_for(info.resource).default(made)
                changes.append(Change("pods", space, name, decode.decode_stored(info, made)))
        return snapshot.with_changes(changes) if changes else None


def _injects(each: change.Edit) -> bool:
    return each.ref.kind == "Deployment" and each.path[-1:] == (INJECT,)


def _ref(item: Item) -> ObjectRef:
    meta = item.body.get("metadata") or {}
    space = str(meta.get("namespace") or "")
    return ObjectRef(str(item.body.get("kind")), space, str(meta.get("name") or ""))


def _text(text: str, line: int, each: change.Edit) -> str:
    """Return a file's text with an edit made in the document at a line. Raises EditError."""
    if not each.path:
        return edit.without(text, line)
    if each.path[-1] == APPEND:
        way = change.quoted(each.path[:-1])
        try:
            return edit.edited(text, line, edit.Append(way, each.value))
        except edit.EditError:
            return edit.edited(text, line, edit.Put(way, [each.value]))
    if each.remove:
        return edit.edited(text, line, edit.Drop(change.quoted(each.path)))
    return edit.edited(text, line, edit.Put(change.quoted(each.path), each.value))


def _joined(text: str, body: Json) -> str:
    """Return a file's text with one more document."""
    written_out = yaml.safe_dump(body, sort_keys=False)
    return f"{text.rstrip()}\n---\n{written_out}"


def _read(text: str, item: Item) -> Json | None:
    for found in reader.parse(text, item.file).manifests:
        if found.line == item.line:
            meta = {**(found.body.get("metadata") or {})}
            space = (item.body.get("metadata") or {}).get("namespace")
            if space:
                meta["namespace"] = space
            return {**found.body, "metadata": meta}
    return None
