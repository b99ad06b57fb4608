"""What a controller wants done, as values. Pure."""

import msgspec

from lateen.base.jsonvalue import JsonView


class Note(msgspec.Struct, frozen=True):
    """An Event to record about an object (`kubectl describe` shows it)."""

    about: JsonView
    reason: str
    message: str
    kind: str = "Normal"


class Report(msgspec.Struct, frozen=True):
    """How to tell that an action worked or failed; `{name}` and `{error}` are filled in."""

    about: JsonView
    done: str
    done_text: str
    failed: str
    failed_text: str


class Create(msgspec.Struct, frozen=True):
    """POST an object."""

    resource: str
    body: JsonView
    report: Report | None = None


class Update(msgspec.Struct, frozen=True):
    """PUT an object; its resourceVersion guards against a concurrent change."""

    resource: str
    body: JsonView


class SetStatus(msgspec.Struct, frozen=True):
    """PUT an object's status."""

    resource: str
    body: JsonView


class Patch(msgspec.Struct, frozen=True):
    """Merge-patch an object."""

    resource: str
    namespace: str
    name: str
    patch: JsonView


class Delete(msgspec.Struct, frozen=True):
    """DELETE the object of that uid."""

    resource: str
    namespace: str
    name: str
    uid: str
    propagation: str = ""
    grace_seconds: int | None = None
    report: Report | None = None


class Owner(msgspec.Struct, frozen=True):
    """Where an owner reference points."""

    resource: str
    namespace: str
    name: str
    uid: str


class Collect(msgspec.Struct, frozen=True):
    """DELETE the object if a live look finds none of its owners, as a collector must: its own
    view may be behind."""

    victim: Delete
    owners: tuple[Owner, ...]


class Release(msgspec.Struct, frozen=True):
    """PUT an emptied namespace without its finalizers, if a live look finds nothing in it."""

    body: JsonView
    resources: tuple[str, ...]


Action = Create | Update | SetStatus | Patch | Delete | Collect | Release | Note


class Reconciled(msgspec.Struct, frozen=True):
    """What to do now, and when to look again though nothing changed (in seconds)."""

    actions: tuple[Action, ...] = ()
    again_after: float | None = None


NOTHING = Reconciled()


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
