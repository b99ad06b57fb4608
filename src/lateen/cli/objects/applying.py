"""apply and delete: manifests to the API server, in kubectl's words."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import crds
from lateen.cli.manifests.files import Loaded, RefusedManifests
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.patch import last_applied
from lateen.model.schema.kindinfo import KindInfo

_MOST_ITEMS = 20
_MOST_BYTES = 1 << 20
"""Of one request; the server takes three times as much, and what is larger than that never."""


def qualified(item: Loaded) -> str:
    """Return kubectl's name for an object: `virtualservice.networking.istio.io/reviews`."""
    group = f".{item.kind.group}" if item.kind.group else ""
    return f"{item.kind.singular}{group}/{item.name}"


def refuse(refused: RefusedManifests) -> int:
    """Print why nothing was sent and return the exit code."""
    for message in refused.messages:
        exits.complain(f"error: {message}")
    exits.complain("nothing was applied")
    return exits.UNPARSABLE


def refusal(refused: RefusedManifests) -> LabError:
    """Return the same words as an error that ends the command."""
    return LabError("\nerror: ".join(refused.messages) + "\nnothing was applied", exits.UNPARSABLE)


class Batch(msgspec.Struct, frozen=True):
    """Some manifests, and what is sent of them in one request."""

    items: tuple[Loaded, ...]
    entries: tuple[msgspec.Raw, ...]


def prepared(items: Sequence[Loaded]) -> list[Batch]:
    """Return what is to be sent, in order, cut into requests that the server answers soon.

    Namespaces go first and definitions of kinds next, whatever the order of the files, since
    objects need them to exist.
    """
    batches: list[Batch] = []
    size = 0
    for item in sorted(items, key=_rank):
        entry = msgspec.Raw(msgspec.json.encode(_entry(item)))
        size += len(bytes(entry))
        if not batches or len(batches[-1].items) == _MOST_ITEMS or size > _MOST_BYTES:
            batches.append(Batch((), ()))
            size = len(bytes(entry))
        last = batches.pop()
        batches.append(Batch((*last.items, item), (*last.entries, entry)))
    return batches


def _rank(item: Loaded) -> int:
    first = ("namespaces", crds.DEFINITIONS.resource)
    return first.index(item.kind.resource) if item.kind.resource in first else len(first)


def apply_all(
    api: lab_api.Api, batches: Sequence[Batch], *, dry_run: bool = False
) -> Iterable[tuple[Loaded, str]]:
    """Apply manifests in order and yield each with `created`, `configured` or `unchanged`.

    Raises ApiError for the first that is refused; those before it stay.
    """
    for batch in batches:
        body = {"items": batch.entries, "dry_run": dry_run}
        answer = api.ask(contract.APPLY, body)
        for item, done in zip(batch.items, answer["done"], strict=False):
            for warning in done["warnings"]:
                exits.complain(f"Warning: {_place(item, warning)}: {warning}")
            yield item, str(done["outcome"])
        if answer["error"]:
            raise _refused(batch.items[len(answer["done"])], answer["error"])


def _entry(item: Loaded) -> dict[str, Any]:
    """Return what is sent of a manifest: itself, and where each of its fields stands."""
    lines = {path: place.line for path, place in item.manifest.locations.items()}
    return {"body": _with_last_applied(item), "file": item.manifest.file, "lines": lines}


def _refused(item: Loaded, found: dict[str, Any]) -> ApiError:
    error = ApiError(found["code"], found["reason"], found["message"], found["details"])
    message = f"{_cause(item, error)}: {error.message}"
    return ApiError(error.code, error.reason, message, error.details)


def _version(api: lab_api.Api, path: str) -> str | None:
    try:
        return str(api.request("GET", path).body["metadata"]["resourceVersion"])
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _with_last_applied(item: Loaded) -> dict[str, Any]:
    """Return the body with kubectl's annotation, and in its namespace."""
    if not item.namespace:
        return last_applied.remembered(item.body)
    metadata = {**(item.body.get("metadata") or {}), "namespace": item.namespace}
    return last_applied.remembered({**item.body, "metadata": metadata})


def _place(item: Loaded, message: str) -> str:
    """Return `file:line` of the field that a message begins with, else of the document."""
    path, colon, _ = message.partition(": ")
    if not colon or " " in path:
        return item.where
    return str(item.manifest.locate(path))


def _cause(item: Loaded, error: ApiError) -> str:
    """Return `file:line` of the first field that a refusal names, else of the document."""
    fields = [one["field"] for one in error.details.get("causes", ()) if one.get("field")]
    return str(item.manifest.locate(fields[0])) if fields else item.where


class Deletion(msgspec.Struct, frozen=True):
    """An object that is to be deleted; `where` is its place in a file (`web.yaml:3: `)."""

    kind: KindInfo
    namespace: str
    name: str
    where: str = ""

    @property
    def path(self) -> str:
        """Its path on the server."""
        return lab_api.object_path(self.kind, self.namespace, self.name)

    @property
    def message(self) -> str:
        """What kubectl says of it once it is gone."""
        group = f".{self.kind.group}" if self.kind.group else ""
        place = f" from {self.namespace} namespace" if self.namespace else ""
        return f'{self.kind.singular}{group} "{self.name}" deleted{place}'


def delete_all(
    api: lab_api.Api, every: Sequence[Deletion], *, ignore_missing: bool, wait: bool
) -> Iterable[tuple[Deletion, ApiError | None]]:
    """Delete objects in order and yield each with its error, if any; then wait for the last."""
    going: list[Deletion] = []
    for one in every:
        try:
            api.request("DELETE", one.path, body={"propagationPolicy": "Background"})
            going.append(one)
            yield one, None
        except ApiError as error:
            if not (error.code == 404 and ignore_missing):
                yield one, error
    if wait:
        await_gone(api, going)


def await_gone(api: lab_api.Api, every: Sequence[Deletion], *, seconds: float = 60.0) -> None:
    """Return when none of the objects is there any more, or after so many seconds."""
    deadline = time.monotonic() + seconds
    for one in every:
        while _version(api, one.path) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
