"""A finding as it travels between a lab and a command. Pure."""

import msgspec

from lateen.model.meta import Location


class FindingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`level` is Error, Warning or Info; `source` is `Kind/namespace/name#field`."""

    code: str
    level: str
    source: str
    message: str
    remedy: str = ""
    location: Location | None = None
