"""Where a container's image is from: the store, a registry, or the catalogue's stand-in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from lateen.model.kube.core.container import Container
from lateen.model.labapi.images import LOCAL, ContainerImage, ImageAnswer, ImageWish, LocalCommand
from lateen.node.container import backoff
from lateen.node.container.launch import ImageUnknownError, LabFacts
from lateen.node.images import catalogue


class ImageService(Protocol):
    """Who has the person's images and a way to registries: the plane. The lab has neither."""

    async def ask(self, wish: ImageWish) -> ImageAnswer:
        """Find an image in the store, or pull it. Raises OSError."""
        ...


class TakenImage(msgspec.Struct, frozen=True):
    """What a container is made of. Without an image, its stand-in is started."""

    image: ContainerImage | None = None
    command: LocalCommand | None = None
    """What `lateen run` was given, in place of an image."""
    pulled: str = ""
    """What the Event says, if it was pulled just now."""


async def choose(
    service: ImageService | None,
    lab: LabFacts,
    container: Container,
    configs: Sequence[Mapping[str, Any]],
    pulling: Callable[[], None],
) -> TakenImage:
    """Return a container's image.

    A command of the user's own goes first (`images` in lateen.yaml), then what was loaded or
    pulled, then the catalogue; the rest is pulled. `Always` asks the registry again for what was
    pulled from one, `Never` asks nobody, as a kubelet has it. `pulling` is told before a registry
    is asked. Raises ImageUnknownError with the kubelet's reason, and OSError.
    """
    name, policy = container.image, container.image_pull_policy
    try:
        known = catalogue.resolve(name, lab.images)
    except ValueError as error:
        words = f'Failed to apply default image tag "{name}": {error}'
        raise ImageUnknownError("InvalidImageName", words) from error
    if service is None or (known is not None and known.name in lab.images):
        return TakenImage()
    answer = await service.ask(ImageWish(name))
    if name.startswith(LOCAL):
        if answer.command is None:
            words = f"no process is called {name.removeprefix(LOCAL)}: `lateen run` names them"
            raise ImageUnknownError("ErrImageNeverPull", words)
        return TakenImage(command=answer.command)
    found = answer.image
    if found is not None and not (policy == "Always" and found.pulled and lab.pulls):
        return TakenImage(found)
    if found is None and known is not None:
        return TakenImage()
    if policy == "Never":
        words = f'Container image "{name}" is not present with pull policy of Never'
        raise ImageUnknownError("ErrImageNeverPull", f"{words}: {catalogue.unknown(name)}")
    if not lab.pulls:
        words = f"{catalogue.unknown(name)}; `pull: never` in lateen.yaml keeps it from a registry"
        raise ImageUnknownError(backoff.PULL_FAILED, words)
    pulling()
    answer = await service.ask(
        ImageWish(name, True, policy == "Always" and found is not None, configs)
    )
    if answer.image is None:
        words = f"{answer.error}; {catalogue.unknown(name)}"
        raise ImageUnknownError(answer.reason or backoff.PULL_FAILED, words)
    took, size = f"{answer.seconds:.3f}s", answer.image.size
    return TakenImage(
        answer.image,
        pulled=f'Successfully pulled image "{name}" in {took} ({took} including waiting).'
        f" Image size: {size} bytes.",
    )
