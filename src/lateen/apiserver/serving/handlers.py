"""From a call to its response: which function answers which path and verb."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lateen.apiserver import errors
from lateen.apiserver.access import auth, authorizing, rbac
from lateen.apiserver.connecting import streams
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.openapi import discovery
from lateen.apiserver.protocol import exchange, negotiate, upgrade
from lateen.apiserver.protocol.request import Query, asked_of
from lateen.apiserver.reading import listing, rendering, send_rounds, tables, watch_stream
from lateen.apiserver.serving import (
    components,
    default_roles,
    metrics,
    paths,
    reviews,
    subresources,
)
from lateen.apiserver.writing import apart, objects, verbs
from lateen.base.jsonvalue import Json
from lateen.model.schema.kindinfo import KindInfo

if TYPE_CHECKING:
    from lateen.apiserver.connecting.connector import Connector

MAX_WATCHES = 4096
_LONGEST_MANAGER = 128
_AT_ONCE = 200
"""Objects that are rendered on the event loop; more are rendered beside it."""
UNREAD_SECONDS = 30.0
"""How long a watcher may leave what it is sent unread. It can resume where it was, or gets 410."""
OPEN_PATHS = ("/healthz", "/livez", "/readyz")
"""What needs neither a token nor a right."""
_ABOUT_ROLES = (rbac.GROUP, "authorization.k8s.io")

_INTO_PODS = ("exec", "attach", "portforward", "log", "proxy")
_STORED_SUBRESOURCES = ("", "status", "scale", "finalize", "ephemeralcontainers")


class Handlers:
    """Answers calls over an Api."""

    def __init__(
        self,
        api: verbs.Api,
        pods: "streams.PodStreams | None",
        authenticator: auth.Authenticator,
        issuer: auth.TokenIssuer | None,
        health: Callable[[], dict[str, str]],
        address: str,
    ) -> None:
        self._api = api
        self._issuer = issuer
        self._health = health
        self._frames = rendering.Frames()
        self._rounds = send_rounds.Pulse()
        self._watches = 0
        self.counts = metrics.Counts()
        self._paths = paths.Paths(api, health, address, self.counts, issuer)
        self._roles = default_roles.Roles(api)
        self._deciding = reviews.Deciding(api.authorizer, authenticator)
        self._pods = pods

    @functools.cached_property
    def _connect(self) -> "Connector":
        """What serves the ways into pods; its protocols load with the first call for one."""
        from lateen.apiserver.connecting import connector

        return connector.Connector(self._api, self._pods)

    async def handle(
        self, call: exchange.Call, channel: upgrade.Upgrade | None
    ) -> exchange.Response | None:
        """Answer a call; None when an upgraded connection was served to its end.

        Raises ApiError.
        """
        info = call.info
        self.counts.add(info.verb, info.resource)
        if not call.user.is_admin or info.group in _ABOUT_ROLES:
            self._roles.ensure()
        if not info.is_resource:
            self._authorize_path(call)
            return self._paths.answer(call)
        virtual = reviews.find(info)
        if virtual is not None:
            return self._virtual(call, virtual)
        target = self._target(call)
        self._authorizer.require(call.user, asked_of(info), target.info)
        if target.subresource in _INTO_PODS:
            return await self._connect.serve(call, target, channel)
        if target.subresource not in _STORED_SUBRESOURCES:
            return self._special(call, target)
        return _warned(await self._stored(call, target), target)

    @property
    def _authorizer(self) -> authorizing.Authorizer:
        return self._api.authorizer

    def _authorize_path(self, call: exchange.Call) -> None:
        if call.info.path not in OPEN_PATHS:
            asked = rbac.AccessQuestion(verb=call.method.lower(), path=call.info.path)
            self._authorizer.require_path(call.user, asked)

    def _virtual(self, call: exchange.Call, virtual: discovery.Virtual) -> exchange.Response:
        asked = asked_of(call.info)
        self._authorizer.require(call.user, asked, reviews.row(virtual))
        if virtual.plural == components.PLURAL:
            store, now = self._api.store, self._api.clock.now()
            return components.answer(call, self._health(), store.revision, now)
        return reviews.answer(call, virtual, self._deciding)

    def check_acting(self, user: auth.User, acting: auth.User) -> None:
        """Let a user make a request as another, by the verb impersonate. Raises ApiError 403."""
        if user.is_admin:
            return
        self._roles.ensure()
        for asked in rbac.impersonating(acting):
            row = KindInfo(asked.group, ("v1",), "", asked.resource, "")
            self._authorizer.require(user, asked, row)

    def _target(self, call: exchange.Call) -> Target:
        info = call.info
        target = self._api.resources.target(
            info.group, info.version, info.resource, info.namespace, info.name, info.subresource
        )
        if target.info.namespaced and info.name and not info.namespace:
            raise errors.unknown_path()
        if not subresources.exists(target):
            raise errors.unknown_path(target.info)
        if target.subresource == "approval":
            # It writes conditions of the status, under a right of its own.
            return replace(target, subresource="status")
        return target

    def _special(self, call: exchange.Call, target: Target) -> exchange.Response:
        if call.info.verb != "create":
            raise errors.method_not_allowed(target.info)
        return subresources.create(self._api, call, target, self._issuer)

    async def _stored(self, call: exchange.Call, target: Target) -> exchange.Response:
        if call.info.verb == "list":
            return await self._list(call, target)
        if call.info.verb == "deletecollection":
            return await self._delete_collection(call, target)
        handler = {
            "get": self._get,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }[call.info.verb]
        if target.subresource and call.info.verb not in ("get", "update", "patch"):
            raise errors.method_not_allowed(target.info)
        if call.info.verb in ("update", "patch", "create") and bool(target.name) == (
            call.info.verb == "create"
        ):
            raise errors.method_not_allowed(target.info)
        if len(call.body) >= apart.LARGE and apart.worth(target):
            written = await apart.write(self._decision(call, target))
            return self._written(call, target, written)
        return handler(call, target)

    def _decision(self, call: exchange.Call, target: Target) -> Callable[[], verbs.Commit]:
        """Return what decides a write, without what may not be done in a thread."""
        patch = call.info.verb == "patch"
        media = negotiate.content_type(call.headers.get("content-type", ""), patch=patch)
        options = write_options(call)

        def decide() -> verbs.Commit:
            body = exchange.parse_body(call.body, media)
            if patch:
                return self._api.decide_patch(target, body, media, options)
            update = call.info.verb == "update"
            decided = self._api.decide_update if update else self._api.decide_create
            return decided(target, body, options)

        return decide

    def _get(self, call: exchange.Call, target: Target) -> exchange.Response:
        form = call.form
        if target.subresource == "scale":
            return _scaled(call, subresources.get_scale(self._api, target), self._api.clock.now())
        value = self._api.get(target)
        include = _include(call.info.query)
        made = rendering.one(target, value, form, self._api.clock.now(), include)
        return exchange.Response(body=made, content_type=form.content_type)

    async def _list(self, call: exchange.Call, target: Target) -> exchange.Response:
        listed = listing.list_objects(self._api, target, list_options(call.info.query))
        return await self._listed(call, target, listed, _include(call.info.query))

    async def _listed(
        self, call: exchange.Call, target: Target, listed: listing.Listed, include: str
    ) -> exchange.Response:
        asked = target, listed, call.form, self._api.clock.now(), include
        if len(listed.entries) <= _AT_ONCE:
            made = rendering.many(*asked)
        else:
            made = await asyncio.to_thread(rendering.many, *asked)
        return exchange.Response(body=made, content_type=call.form.content_type)

    def _watch(self, call: exchange.Call, target: Target) -> exchange.Response:
        if self._watches >= MAX_WATCHES:
            raise errors.too_many(f"more than {MAX_WATCHES} watches are open; close some", 5)
        query, form = call.info.query, call.form
        media = f"{form.content_type};stream=watch"
        if call.method == "HEAD":
            return exchange.Response(content_type=media)
        options = watch_stream.WatchOptions(
            labels=query.text("labelSelector"),
            fields=query.text("fieldSelector"),
            resource_version=query.text("resourceVersion"),
            bookmarks=query.flag("allowWatchBookmarks"),
            initial=query.flag("sendInitialEvents")
            if "sendInitialEvents" in query.values
            else None,
            match=query.text("resourceVersionMatch"),
            seconds=query.number("timeoutSeconds"),
            form=form,
            include=_include(query),
        )
        follower = watch_stream.Follower(self._api, target, options, self._frames, self._rounds)
        return exchange.Response(
            chunks=self._counted(follower), content_type=media, unread_seconds=UNREAD_SECONDS
        )

    async def _counted(self, follower: watch_stream.Follower) -> AsyncIterator[bytes]:
        self._watches += 1
        chunks = follower.chunks()
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            self._watches -= 1
            await chunks.aclose()

    def _create(self, call: exchange.Call, target: Target) -> exchange.Response:
        written = self._api.create(target, call.json(), write_options(call))
        return self._written(call, target, written)

    def _update(self, call: exchange.Call, target: Target) -> exchange.Response:
        options = write_options(call)
        if target.subresource == "scale":
            scaled = subresources.put_scale(self._api, target, call.json(), options)
            return _scaled(call, scaled, self._api.clock.now())
        if target.subresource == "finalize":
            written = subresources.finalize(self._api, target, call.json(), options)
        else:
            written = self._api.update(target, call.json(), options)
        return self._written(call, target, written)

    def _patch(self, call: exchange.Call, target: Target) -> exchange.Response:
        media = negotiate.content_type(call.headers.get("content-type", ""), patch=True)
        patch = exchange.parse_body(call.body, media)
        options = write_options(call)
        if target.subresource == "scale":
            scaled = subresources.patch_scale(self._api, target, patch, media, options)
            return _scaled(call, scaled, self._api.clock.now())
        written = self._api.patch(target, patch, media, options)
        return self._written(call, target, written)

    def _delete(self, call: exchange.Call, target: Target) -> exchange.Response:
        how = objects.delete_options(_optional_json(call), call.info.query.values)
        written = self._api.delete(target, how, write_options(call))
        if not written.removed or target.info.resource in ("pods", "namespaces"):
            return self._written(call, target, written)
        meta = written.object["metadata"]
        status = errors.success(target.info, target.name, meta.get("uid", ""))
        return exchange.Response(
            body=rendering.body(status, negotiate.Form()),
            headers=exchange.warning_headers(written.warnings),
        )

    async def _delete_collection(self, call: exchange.Call, target: Target) -> exchange.Response:
        how = objects.delete_options(_optional_json(call), call.info.query.values)
        options = list_options(call.info.query)
        listed = await listing.delete_collection(
            self._api, target, options, how, write_options(call)
        )
        return await self._listed(call, target, listed, "")

    def _written(
        self, call: exchange.Call, target: Target, written: verbs.Written
    ) -> exchange.Response:
        form = call.form
        include = _include(call.info.query)
        made = rendering.one(target, written.object, form, self._api.clock.now(), include)
        headers = exchange.warning_headers(written.warnings)
        if call.info.verb in ("create", "patch", "update"):
            headers += exchange.warning_headers(not_acted_on(target.info))
        return exchange.Response(
            status=201 if written.created else 200,
            body=made,
            content_type=form.content_type,
            headers=headers,
        )


def _scaled(call: exchange.Call, scale: Json, now: datetime) -> exchange.Response:
    form = call.form
    if form.as_kind != "Table":
        return exchange.Response(body=rendering.body(scale, form))
    shown = tables.scale(scale, now)
    return exchange.Response(body=rendering.encode(shown), content_type=form.content_type)


def _optional_json(call: exchange.Call) -> object:
    return call.json() if call.body.strip() else None


def _warned(response: exchange.Response, target: Target) -> exchange.Response:
    """Return an answer that says so where the version that was asked for is deprecated."""
    if (text := target.kind.deprecated.get(target.version)) is None:
        return response
    warned = exchange.warning_headers((text,))
    return replace(response, headers=response.headers + warned)


def _include(query: Query) -> str:
    wanted = query.text("includeObject")
    if wanted not in ("", "None", "Metadata", "Object"):
        raise errors.bad_request(f"unrecognized includeObject value {wanted[:40]!r}")
    return wanted


def not_acted_on(info: KindInfo) -> tuple[str, ...]:
    """Return the warning that a write of such a kind is answered with, if any."""
    if info.acted_on:
        return ()
    return (f"{info.resource} are stored and listed, but nothing in this lab acts on them",)


def list_options(query: Query) -> listing.ListOptions:
    """Read the options of a list from a query. Raises ApiError 400."""
    return listing.ListOptions(
        labels=query.text("labelSelector"),
        fields=query.text("fieldSelector"),
        limit=query.number("limit") or 0,
        token=query.text("continue"),
        resource_version=query.text("resourceVersion"),
        match=query.text("resourceVersionMatch"),
        initial="sendInitialEvents" in query.values,
    )


def write_options(call: exchange.Call) -> verbs.WriteOptions:
    """Read the options of a write from a query. Raises ApiError 400."""
    query = call.info.query
    dry = query.every.get("dryRun", ())
    if dry not in ((), ("All",)):
        raise errors.bad_request(f"invalid dryRun {', '.join(dry)[:40]!r}: only All is known")
    validation = query.text("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise errors.bad_request(
            f"invalid fieldValidation {validation[:40]!r}: use Strict, Warn or Ignore"
        )
    manager = query.text("fieldManager")
    if not manager:  # as in Kubernetes what can be shown of the client's name, cut to its length
        agent = call.headers.get("user-agent", "unknown").partition("/")[0]
        manager = "".join(c for c in agent if c.isprintable())[:_LONGEST_MANAGER]
    if len(manager) > _LONGEST_MANAGER or not manager.isprintable():
        raise errors.bad_request("invalid fieldManager: at most 128 printable characters")
    return verbs.WriteOptions(
        user=call.user,
        dry_run=bool(dry),
        manager=manager,
        validation=validation,
        force=query.flag("force"),
    )
