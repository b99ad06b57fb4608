"""An image of the store as a container is started from it; nothing is asked of a registry."""

from collections.abc import Callable
from pathlib import Path

from lateen.base.clock import Clock
from lateen.model.labapi.images import ContainerImage, ImageAnswer
from lateen.node.images.reference import InvalidImageNameError
from lateen.node.oci import documents
from lateen.node.oci.errors import BAD_IMAGE, ImageError
from lateen.node.oci.store import Image, ImageStore


def look(root: str, name: str, clock: Clock) -> ImageAnswer:
    """Find an image and unpack it if that was not done. What fails is in the answer."""
    return answer(root, name, clock, lambda store: None)


def answer(root: str, name: str, clock: Clock, before: Callable[[ImageStore], None]) -> ImageAnswer:
    """Find an image after something was done to the store. What fails is in the answer."""
    begun = clock.monotonic()
    store = ImageStore(Path(root), clock)
    try:
        before(store)
        image = store.find(name)
        found = None if image is None else describe(store, image)
    except InvalidImageNameError as error:
        return ImageAnswer(error=str(error), reason="InvalidImageName")
    except ImageError as error:
        return ImageAnswer(error=str(error), reason=error.reason)
    except OSError as error:
        return ImageAnswer(error=f"{error.strerror}: {error.filename or root}", reason=BAD_IMAGE)
    return ImageAnswer(image=found, seconds=clock.monotonic() - begun)


def describe(store: ImageStore, image: Image) -> ContainerImage:
    """Return what a container is started from; the layers are unpacked. Raises as `root_of`."""
    root, process = store.root_of(image), image.config.process
    return ContainerImage(
        name=image.record.name,
        digest=image.record.target,
        source=image.record.source,
        layers=root.layers,
        entrypoint=process.entrypoint or (),
        cmd=process.cmd or (),
        env=documents.variables(process),
        working_dir=process.working_dir,
        user=process.user,
        stop_signal=process.stop_signal,
        volumes=tuple(process.volumes or ()),
        passwd=root.passwd,
        group=root.group,
        size=image.size,
    )
