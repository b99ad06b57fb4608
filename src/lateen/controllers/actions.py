"""What a controller wants done, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JsonView = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """An Event to record about an object (`kubectl describe` shows it)."""

    about: JsonView
    reason: str
    message: str
    kind: str = "Normal"


@dataclass(frozen=True, slots=True)
class Report:
    """How to tell that an action worked or failed; `{name}` and `{error}` are filled in."""

    about: JsonView
    done: str
    done_text: str
    failed: str
    failed_text: str


@dataclass(frozen=True, slots=True)
class Create:
    """POST an object."""

    resource: str
    body: JsonView
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """PUT an object; its resourceVersion guards against a concurrent change."""

    resource: str
    body: JsonView


@dataclass(frozen=True, slots=True)
class SetStatus:
    """PUT an object's status."""

    resource: str
    body: JsonView


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch an object."""

    resource: str
    namespace: str
    name: str
    patch: JsonView


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE the object of that uid."""

    resource: str
    namespace: str
    name: str
    uid: str
    propagation: str = ""
    grace_seconds: int | None = None
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Where an owner reference points."""

    resource: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Collect:
    """DELETE the object if a live look finds none of its owners, as a collector must: its own
    view may be behind."""

    victim: Delete
    owners: tuple[Owner, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """PUT an emptied namespace without its finalizers, if a live look finds nothing in it."""

    body: JsonView
    resources: tuple[str, ...]


Action = Create | Update | SetStatus | Patch | Delete | Collect | Release | Note


@dataclass(frozen=True, slots=True)
class Result:
    """What to do now, and when to look again though nothing changed (in seconds)."""

    actions: tuple[Action, ...] = field(default=())
    again_after: float | None = None


NOTHING = Result()


def created_pod(about: JsonView, noun: str = "pod") -> Report:
    """The events of a controller that creates one more of its objects."""
    return Report(
        about,
        "SuccessfulCreate",
        f"Created {noun}: {{name}}",
        "FailedCreate",
        "Error creating: {error}",
    )


def deleted_pod(about: JsonView, noun: str = "pod") -> Report:
    """The events of a controller that deletes one of its objects."""
    return Report(
        about,
        "SuccessfulDelete",
        f"Deleted {noun}: {{name}}",
        "FailedDelete",
        "Error deleting: {error}",
    )
