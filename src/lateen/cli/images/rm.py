"""`lateen image rm`: names are forgotten, then what no name leads to is removed."""

import contextlib
from collections.abc import Iterable

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.images.load import store
from lateen.model.client import ApiError
from lateen.node.images import reference
from lateen.node.images.reference import InvalidImageNameError
from lateen.node.oci.store import Image

_MEGA = 1e6
_PODS = "/api/v1/pods"


def rm(names: tuple[str, ...], unused: bool) -> int:
    """Remove images. Raises LabError when a pod uses one that was named."""
    if bool(names) == unused:
        raise LabError("name images, or use --unused", exits.USAGE)
    images = store()
    here, taken = images.images(), _taken()
    if unused:
        chosen = [one.record.name for one in here if not _used(one, taken)]
    else:
        chosen = _named(names, here, taken)
    gone = images.remove(chosen)
    for name in gone:
        print(f"{name} removed")
    missing = sorted(set(chosen) - set(gone))
    try:
        freed, layers = images.remove_unused()
    except BlockingIOError:
        raise LabError(
            "an image is being brought just now: type it again when that is done", exits.FAILED
        ) from None
    if gone or freed or layers:
        print(f"{freed / _MEGA:.1f} MB and {layers} unpacked layers are free")
    for name in missing:
        exits.complain(f"{name} is not here")
    return exits.FAILED if missing else exits.OK


def _named(names: Iterable[str], here: Iterable[Image], taken: frozenset[str]) -> list[str]:
    try:
        chosen = [reference.parse(name).full for name in names]
    except InvalidImageNameError as error:
        raise LabError(str(error), exits.USAGE) from error
    for image in here:
        if image.record.name in chosen and _used(image, taken):
            raise LabError(
                f"a pod of a lab uses {image.record.name}: delete it first", exits.FAILED
            )
    return chosen


def _used(image: Image, taken: frozenset[str]) -> bool:
    return image.record.target in taken


def _taken() -> frozenset[str]:
    """Return the digests that pods of labs have. Raises LabError where a lab does not answer."""
    found: set[str] = set()
    for name in labs.every():
        running = labs.find(name)
        if running is None:
            continue
        try:
            body = lab_api.Api.of(running).request("GET", _PODS).body
        except (ApiError, OSError) as error:
            raise LabError(
                f"lab {name} does not say which images it uses ({error}): `lateen down --lab"
                f" {name}` ends it",
                exits.FAILED,
            ) from error
        for pod in body.get("items") or ():
            found |= _digests(pod)
    return frozenset(found)


def _digests(pod: Json) -> set[str]:
    status = pod.get("status") or {}
    found = set()
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for one in status.get(field) or ():
            with contextlib.suppress(AttributeError):
                found.add(one.get("imageID", "").partition("@")[2])
    return found - {""}
