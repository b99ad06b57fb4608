"""Events, as `kubectl describe` and `kubectl events` show them: recorded beside the work, never
in its way. The same event again counts up instead of adding a row."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from lateen.base.clock import Clock, moment, rfc3339
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiClient, ApiError

log = logging.getLogger(__name__)

LIFETIME = 3600.0
"""Seconds that an Event is kept, as on a cluster."""
_SWEEP = 300.0
_BACKLOG = 10_000
_REMEMBERED = 4096
_LONGEST_MESSAGE = 1024
_PATIENCE = 0.3
_PATIENT = 5
"""Events are written when none has come for so many seconds, or after so many times that: they
come with the work that a person waits for, and can be read after it. They carry the time of
recording."""


class EventSource(msgspec.Struct, frozen=True):
    """Who records: a component, and the node it is on."""

    component: str
    host: str = ""


class EventRecord(msgspec.Struct, frozen=True):
    """What happened to an object: `subject` refers to it."""

    subject: Json
    reason: str
    message: str
    warning: bool = False


def reference(body: Mapping[str, Any], field_path: str = "") -> Json:
    """Return the reference to an object, or to a part of it (`spec.containers{web}`)."""
    metadata = body.get("metadata") or {}
    found = {
        "apiVersion": str(body.get("apiVersion", "")),
        "kind": str(body.get("kind", "")),
        **{
            key: str(metadata[key])
            for key in ("namespace", "name", "uid", "resourceVersion")
            if metadata.get(key)
        },
    }
    return {**found, "fieldPath": field_path} if field_path else found


def event(source: EventSource, record: EventRecord, stamp: str, suffix: str) -> Json:
    """Return a new Event. `stamp` is RFC 3339; `suffix` makes the name unique. Events of what is
    in no namespace go to `default`, as on a cluster."""
    named = {"component": source.component, "host": source.host}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "namespace": record.subject.get("namespace") or "default",
            "name": f"{record.subject['name']}.{suffix}",
        },
        "involvedObject": record.subject,
        "reason": record.reason,
        "message": record.message[:_LONGEST_MESSAGE],
        "type": "Warning" if record.warning else "Normal",
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "eventTime": None,
        "source": {key: value for key, value in named.items() if value},
        "reportingComponent": source.component,
        "reportingInstance": source.host,
    }


_Recorded = tuple[EventSource, EventRecord, datetime]
_Identity = tuple[str, ...]


class Recorder:
    """Writes Events through the API, in order, in a task of its own. One that cannot be written is
    lost, as on a cluster."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._waiting: asyncio.Queue[_Recorded] = asyncio.Queue(_BACKLOG)
        self._known: dict[_Identity, tuple[str, str, int]] = {}
        self._number = 0

    def record(self, source: EventSource, record: EventRecord) -> None:
        """Take an event to be written soon; dropped if thousands wait already."""
        if not self._waiting.full():
            self._waiting.put_nowait((source, record, self._clock.now()))

    async def run(self) -> None:
        """Write what was recorded, until cancelled."""
        while True:
            recorded = await self._waiting.get()
            for _ in range(_PATIENT):
                waiting = self._waiting.qsize()
                await self._clock.sleep(_PATIENCE)
                if self._waiting.qsize() == waiting:
                    break
            await self._try(*recorded)
            while not self._waiting.empty():
                await self._try(*self._waiting.get_nowait())

    async def sweep(self) -> None:
        """Remove what is older than an hour, every few minutes, until cancelled."""
        while True:
            await self._clock.sleep(_SWEEP)
            try:
                listed, _ = await self._client.list("events")
                for one in listed:
                    if expired(one, self._clock.now()):
                        about = one["metadata"]
                        where = (about.get("namespace", ""), about["name"])
                        await self._client.delete("events", *where, uid=about.get("uid", ""))
            except ApiError as error:
                log.debug("old events were not removed: %s", error.message)

    async def _try(self, source: EventSource, record: EventRecord, when: datetime) -> None:
        try:
            await self._write(source, record, when)
        except (ApiError, OSError) as error:
            log.debug("event %s was not written: %s", record.reason, error)
        except Exception:
            log.exception("event %s was not written", record.reason)

    async def _write(self, source: EventSource, record: EventRecord, when: datetime) -> None:
        stamp = rfc3339(when)
        about = (record.subject.get(key, "") for key in ("uid", "name", "fieldPath"))
        identity = (source.component, *about, record.reason, record.message)
        if identity in self._known and await self._count_up(identity, stamp):
            return
        # By time, as everywhere in Kubernetes: lists of an object's Events then come in order.
        self._number = max(self._number + 1, int(when.timestamp() * 1e6) * 1000)
        body = event(source, record, stamp, f"{self._number:x}")
        where = body["metadata"]
        await self._client.create("events", where["namespace"], body)
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[identity] = (where["namespace"], where["name"], 1)

    async def _count_up(self, identity: _Identity, stamp: str) -> bool:
        namespace, name, count = self._known[identity]
        try:
            patch = {"count": count + 1, "lastTimestamp": stamp}
            await self._client.patch("events", namespace, name, patch)
        except ApiError as error:
            if error.code != 404:
                raise
            del self._known[identity]
            return False
        self._known[identity] = (namespace, name, count + 1)
        return True


def expired(one: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether an Event has outlived its hour."""
    created = (one.get("metadata") or {}).get("creationTimestamp")
    stamp = one.get("lastTimestamp") or one.get("eventTime") or created
    read = moment(stamp)
    return read is not None and (now - read).total_seconds() > LIFETIME
