"""Doing what a controller decided: each action is a call of the API, its answer goes into the
cache at once. A thin shell."""

from collections.abc import Callable
from typing import Any

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, fields
from lateen.kube import events
from lateen.model import client as api

Told = Callable[[cache.ObjectChange], None]


class Executor:
    """Carries out actions for one controller."""

    def __init__(
        self,
        client: api.ApiClient,
        known: cache.Cache,
        recorder: events.Recorder,
        told: Told,
        component: str,
    ) -> None:
        self._client = client
        self._known = known
        self._recorder = recorder
        self._told = told
        self._source = events.EventSource(component)

    async def run(self, todo: tuple[actions.Action, ...]) -> None:
        """Do all in order; stops at the first refusal. Raises ApiError."""
        for action in todo:
            await self._one(action)

    async def _one(self, action: actions.Action) -> None:
        match action:
            case actions.Note():
                self._note(action)
            case actions.Create():
                await self._create(action)
            case actions.Update(resource, body):
                where = (fields.namespace(body), fields.name(body))
                self._saw(resource, await self._client.update(resource, *where, dict(body)))
            case actions.SetStatus(resource, body):
                where = (fields.namespace(body), fields.name(body))
                self._saw(resource, await self._client.update_status(resource, *where, dict(body)))
            case actions.Patch(resource, namespace, name, patch):
                self._saw(resource, await self._client.patch(resource, namespace, name, patch))
            case actions.Delete():
                await self._delete(action)
            case actions.Collect():
                await self._collect(action)
            case actions.Release(body, resources):
                await self._release(dict(body), resources)

    async def _create(self, action: actions.Create) -> None:
        body = dict(action.body)
        try:
            made = await self._client.create(action.resource, fields.namespace(body), body)
        except api.ApiError as error:
            self._report(action.report, fields.name(body), error)
            raise
        self._saw(action.resource, made)
        self._report(action.report, fields.name(made), None)

    async def _delete(self, action: actions.Delete) -> None:
        try:
            left = await self._client.delete(
                action.resource,
                action.namespace,
                action.name,
                grace_seconds=action.grace_seconds,
                propagation=action.propagation,
                uid=action.uid,
            )
        except api.ApiError as error:
            if error.code == 404:
                self._forget(action)
                return
            self._report(action.report, action.name, error)
            raise
        if fields.dying(left):
            self._saw(action.resource, left)
        else:
            self._forget(action)
        self._report(action.report, action.name, None)

    def _forget(self, action: actions.Delete) -> None:
        obj = self._known.get(action.resource, action.namespace, action.name)
        if obj is not None and fields.uid(obj) == action.uid:
            change = self._known.drop(action.resource, obj, seen=False)
            if change is not None:
                self._told(change)

    async def _collect(self, action: actions.Collect) -> None:
        for owner in action.owners:
            try:
                found = await self._client.get(owner.resource, owner.namespace, owner.name)
            except api.ApiError as error:
                if error.code != 404:
                    raise
                continue
            if fields.uid(found) == owner.uid:
                return
        await self._delete(action.victim)

    async def _release(self, body: dict[str, Any], resources: tuple[str, ...]) -> None:
        name = fields.name(body)
        for resource in resources:
            left, _ = await self._client.list(resource, name)
            if left:
                text = f"namespace {name} still holds {len(left)} {resource}"
                raise api.ApiError(409, "Conflict", text)
        self._saw("namespaces", await self._client.update("namespaces", "", name, body))

    def _saw(self, resource: str, obj: JsonView) -> None:
        gone = fields.dying(obj) and not _held(resource, obj)
        if gone:
            change = self._known.drop(resource, obj, seen=False)
        else:
            change = self._known.put(resource, obj)
        if change is not None:
            self._told(change)

    def _report(self, report: actions.Report | None, name: str, error: api.ApiError | None) -> None:
        if report is None:
            return
        if error is None:
            note = actions.Note(report.about, report.done, report.done_text.format(name=name))
        else:
            text = report.failed_text.format(name=name, error=error.message)
            note = actions.Note(report.about, report.failed, text, "Warning")
        self._note(note)

    def _note(self, note: actions.Note) -> None:
        subject, warning = events.reference(note.about), note.kind == "Warning"
        record = events.EventRecord(subject, note.reason, note.message, warning)
        self._recorder.record(self._source, record)


def _held(resource: str, obj: JsonView) -> bool:
    """Tell whether something keeps a dying object: a finalizer, or its grace period."""
    meta = fields.meta(obj)
    if resource == "namespaces":
        return bool(meta.get("finalizers") or fields.spec(obj).get("finalizers"))
    return bool(meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"))
