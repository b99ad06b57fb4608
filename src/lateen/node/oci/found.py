"""What a process that pulls is told. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from lateen.model.labapi.images import ImageWish


class PullOrder(msgspec.Struct, frozen=True):
    """What to pull, into which store."""

    root: str
    wish: ImageWish
    mirrors: Mapping[str, Sequence[str]] = {}
