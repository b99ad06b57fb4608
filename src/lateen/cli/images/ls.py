"""`lateen image ls` and `lateen image inspect`."""

import json
import sys
from datetime import UTC, datetime

import msgspec

from lateen.app.lab.lab import LabError
from lateen.base import clock
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.images.load import store
from lateen.cli.screen import tables
from lateen.cli.terminal import screen
from lateen.node.images.reference import InvalidImageNameError
from lateen.node.oci.store import Image

_MEGA = 1e6


def ls(output: str) -> int:
    """Print the images by name."""
    images = store().images()
    if output == "json":
        print(json.dumps({"images": [_row(image) for image in images]}, indent=2))
        return exits.OK
    if not images:
        exits.complain(
            "no images are loaded or pulled: `lateen image load FILE`, `lateen image pull NAME`;"
            " `lateen images` lists the stand-ins"
        )
        return exits.OK
    head = ["image", "digest", "size", "from"]
    rows = [
        [
            image.record.name,
            image.record.target.partition(":")[2][:12],
            f"{image.size / _MEGA:.1f} MB",
            image.record.source,
        ]
        for image in images
    ]
    sys.stdout.write(tables.fitted(head, rows, screen.width()) + "\n")
    return exits.OK


def _row(image: Image) -> Json:
    record = image.record
    return {
        "name": record.name,
        "digest": record.target,
        "size": image.size,
        "source": record.source,
        "at": clock.rfc3339(datetime.fromtimestamp(record.at, UTC)),
    }


def inspect(name: str) -> int:
    """Print one image. Raises LabError when it is not here."""
    try:
        image = store().find(name)
    except InvalidImageNameError as error:
        raise LabError(str(error), exits.USAGE) from error
    if image is None:
        raise LabError(
            f"{name} is neither loaded nor pulled: `lateen image ls` lists what is", exits.FAILED
        )
    config = image.config
    told = {
        **_row(image),
        "manifest": image.record.manifest,
        "platform": "/".join(filter(None, (config.os, config.architecture, config.variant))),
        "config": msgspec.to_builtins(config.process),
        "layers": [
            {"digest": layer.digest, "size": layer.size, "mediaType": layer.media_type}
            for layer in image.manifest.layers
        ],
    }
    print(json.dumps(told, indent=2))
    return exits.OK
