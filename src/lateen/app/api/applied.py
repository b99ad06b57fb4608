"""Applying manifests with their places, many in one request.

Each is a server-side apply as any client's, and the SourceMap that carries its lines goes with it.
One request for all saves `lateen up` three round trips an object: the look before it (kubectl's
word for the outcome needs one), the apply, and the SourceMap.
"""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.apiserver.serving import handlers
from lateen.apiserver.writing import apart, verbs
from lateen.app.api import routes
from lateen.base.jsonvalue import Json
from lateen.base.pace import Pace
from lateen.model.client import APPLY, ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.apply import Applied, ApplyAnswer, ApplyError, ApplyItem, ApplyRequest
from lateen.model.manifests import sourcelines
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

_MANAGER = "lateen"
_SOURCE_MAPS = "sourcemaps.lateen.dev"


def apply_route(api: verbs.Api) -> Route:
    """Serve applying: manifests are applied in order until one is refused."""

    async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
        return routes.answer(await every(api, routes.decoded(call, ApplyRequest)))

    return routes.owned(contract.APPLY, serve)


async def every(api: verbs.Api, asked: ApplyRequest) -> ApplyAnswer:
    """Apply manifests in order until one is refused."""
    pace = Pace(api.clock)
    done: list[Applied] = []
    try:
        for item in asked.items:
            done.append(await _one(api, item, dry_run=asked.dry_run))
            await pace.step()
    except ApiError as error:
        refusal = ApplyError(error.code, error.reason, error.message, error.details)
        return ApplyAnswer(tuple(done), refusal)
    return ApplyAnswer(tuple(done))


async def _one(api: verbs.Api, item: ApplyItem, *, dry_run: bool) -> Applied:
    target = addressed(api, item.body)
    before = _live(api, target)
    options = verbs.WriteOptions(dry_run=dry_run, manager=_MANAGER, validation="Strict", force=True)
    if apart.worth(target) and apart.many(item.body):
        written = await apart.write(lambda: api.decide_patch(target, item.body, APPLY, options))
    else:
        written = api.patch(target, item.body, APPLY, options)
    if not dry_run:
        _place(api, target, written.object, item)
    same = before is not None and _without_books(before) == _without_books(written.object)
    unchanged = "unchanged" if same else "configured"
    outcome = "created" if before is None else unchanged
    warnings = (*written.warnings, *handlers.not_acted_on(target.info))
    return Applied(outcome, warnings)


def _without_books(obj: Json) -> Json:
    """Return an object without what a write changes though it changes nothing."""
    books = ("managedFields", "resourceVersion")
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k not in books}}


def addressed(api: verbs.Api, body: Json) -> Target:
    """Return what a manifest is about. Raises ApiError 404 for a kind that is not served."""
    api_version, kind = str(body.get("apiVersion", "")), str(body.get("kind", ""))
    info = kinds.find(api_version, kind) or _custom(api, api_version, kind)
    if info is None:
        raise ApiError(404, "NotFound", f"no kind {kind} in {api_version}")
    metadata = body.get("metadata") or {}
    version = api_version.rpartition("/")[2]
    namespace = str(metadata.get("namespace") or "default") if info.namespaced else ""
    name = str(metadata.get("name") or "")
    return api.resources.target(info.group, version, info.plural, namespace, name, "")


def _custom(api: verbs.Api, api_version: str, kind: str) -> KindInfo | None:
    """Return the row of a kind that a definition makes."""
    rows = (served.info for served in api.resources if served.info.kind == kind)
    return next((row for row in rows if api_version in row.api_versions), None)


def _live(api: verbs.Api, target: Target) -> Json | None:
    """Return what is there, None when nothing is."""
    try:
        return api.get(target)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _place(api: verbs.Api, target: Target, live: Mapping[str, Any], item: ApplyItem) -> None:
    """Store where each field of an object stands, so that answers can name file and line."""
    metadata = live["metadata"]
    source = sourcelines.source_map(
        kind=target.info.kind,
        namespace=target.namespace or "default",
        name=metadata["name"],
        owner_uid=metadata.get("uid", ""),
        api_version=live["apiVersion"],
        spec=live.get("spec"),
        file=item.file,
        lines=item.lines,
    )
    home = source["metadata"]
    place = api.target(_SOURCE_MAPS, home["namespace"], home["name"])
    if _live(api, place) is None:
        api.create(api.target(_SOURCE_MAPS, home["namespace"]), source, verbs.WriteOptions())
    else:
        api.update(place, source, verbs.WriteOptions())
