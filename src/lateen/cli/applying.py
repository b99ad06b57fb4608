"""apply and delete: manifests to the API server, in kubectl's words."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from lateen.app.lab import LabError
from lateen.cli import api as lab_api
from lateen.cli import exits
from lateen.cli.files import Loaded, Refused
from lateen.model import snapshot
from lateen.model.client import ApiError

MANAGER = "lateen"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def qualified(item: Loaded) -> str:
    """Return kubectl's name for an object: `virtualservice.networking.istio.io/reviews`."""
    group = f".{item.kind.group}" if item.kind.group else ""
    return f"{item.kind.singular}{group}/{item.name}"


def refuse(refused: Refused) -> int:
    """Print why nothing was sent and return the exit code."""
    for message in refused.messages:
        exits.complain(f"error: {message}")
    exits.complain("nothing was applied")
    return exits.UNPARSABLE


def refusal(refused: Refused) -> LabError:
    """Return the same words as an error that ends the command."""
    return LabError("\nerror: ".join(refused.messages) + "\nnothing was applied", exits.UNPARSABLE)


def apply_all(
    api: lab_api.Api, items: Sequence[Loaded], *, dry_run: bool = False
) -> Iterable[tuple[Loaded, str]]:
    """Apply manifests in order and yield each with `created`, `configured` or `unchanged`.

    Namespaces go first, whatever the order of the files, since objects need them to exist.
    """
    ordered = sorted(items, key=lambda item: item.kind.resource != "namespaces")
    for item in ordered:
        verb, live = _apply(api, item, dry_run=dry_run)
        if not dry_run:
            _post_source(api, item, live)
        yield item, verb


def _apply(api: lab_api.Api, item: Loaded, *, dry_run: bool) -> tuple[str, dict[str, Any]]:
    version = str(item.body["apiVersion"])
    path = lab_api.object_path(item.kind, item.namespace, item.name, version)
    before = _version(api, path)
    body = _with_last_applied(item)
    query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    try:
        reply = api.request(
            "PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml"
        )
    except ApiError as error:
        raise ApiError(
            error.code, error.reason, f"{_cause(item, error)}: {error.message}", error.details
        ) from error
    for warning in reply.warnings:
        exits.complain(f"Warning: {_place(item, warning)}: {warning}")
    after = reply.body["metadata"].get("resourceVersion")
    verb = "created" if before is None else "unchanged" if before == after else "configured"
    return verb, reply.body


def _version(api: lab_api.Api, path: str) -> str | None:
    try:
        return str(api.request("GET", path).body["metadata"]["resourceVersion"])
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _with_last_applied(item: Loaded) -> dict[str, Any]:
    """Return the body with kubectl's annotation, so that `kubectl apply` later takes over."""
    body = {**item.body, "apiVersion": item.body["apiVersion"]}
    metadata = dict(body.get("metadata") or {})
    if item.namespace:
        metadata["namespace"] = item.namespace
    given = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    body["metadata"] = {**metadata, "annotations": given}
    text = json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n"
    body["metadata"] = {**metadata, "annotations": {**given, LAST_APPLIED: text}}
    return body


def _post_source(api: lab_api.Api, item: Loaded, live: dict[str, Any]) -> None:
    """Tell the lab where each field of the object stands, so that answers can name file:line."""
    namespace = item.namespace or "default"
    source = snapshot.source_map(
        kind=item.kind.kind,
        namespace=namespace,
        name=item.name,
        owner_uid=live["metadata"].get("uid", ""),
        api_version=live["apiVersion"],
        spec=live.get("spec"),
        file=item.manifest.file,
        locations=item.manifest.locations,
    )
    path = f"/apis/lateen.dev/v1/namespaces/{namespace}/sourcemaps/{source['metadata']['name']}"
    api.request(
        "PATCH",
        path,
        query={"fieldManager": MANAGER, "force": "true"},
        body=source,
        content_type="application/apply-patch+yaml",
    )


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


def delete_all(
    api: lab_api.Api, items: Sequence[Loaded], *, ignore_missing: bool, wait: bool
) -> Iterable[tuple[Loaded, ApiError | None]]:
    """Delete manifests in order and yield each with its error, if any; then wait for the last."""
    gone: list[Loaded] = []
    for item in items:
        path = lab_api.object_path(item.kind, item.namespace, item.name)
        try:
            api.request("DELETE", path, body={"propagationPolicy": "Background"})
            gone.append(item)
            yield item, None
        except ApiError as error:
            if not (error.code == 404 and ignore_missing):
                yield item, error
    if wait:
        await_gone(api, gone)


def await_gone(api: lab_api.Api, items: Sequence[Loaded], *, seconds: float = 60.0) -> None:
    """Return when none of the objects is there any more, or after so many seconds."""
    deadline = time.monotonic() + seconds
    for item in items:
        path = lab_api.object_path(item.kind, item.namespace, item.name)
        while _version(api, path) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
