"""`lateen drift`: where proxies differ from what the same objects are compiled to here."""

import msgspec

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Parts
from lateen.cli.manifests import dumps
from lateen.cli.posture import difference
from lateen.cli.posture.posture import explaining
from lateen.cli.posture.sides import Reading


class DriftOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The objects, where to read what proxies have of them, and what is a failure."""

    reading: Reading = Reading()
    proxies: tuple[str, ...] = ()
    lab: str = ""
    start: str = ""
    to: str = ""
    fail_on: tuple[str, ...] = ()
    output: str = "log"


def drift(options: DriftOptions) -> int:
    """The command. Ends with 79 for differences of the kinds that --fail-on names, 65 for bad
    input. Before a change is what is compiled here, after it what proxies have."""
    if difference.refuses(options.output, options.fail_on):
        return exits.USAGE
    reading = options.reading
    try:
        parts = (
            rehearsed.parts(reading.named, reading.istio, reading.ground)
            if reading.named or reading.ground
            else rehearsed.of_lab(options.lab, reading.istio)
        )
        told = _document(parts, options)
    except rehearsed.Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    given = explaining(
        reading.named, reading.istio, reading.ground, options.proxies or (dumps.LIVE,)
    )
    return difference.tell(told, options.output, options.fail_on, given)


def _document(parts: Parts, options: DriftOptions) -> Json:
    """Return the differences. Raises LabError."""
    from lateen.app.foresight.classes import drift

    made = parts.made()
    found = rehearsed.dumps(options.proxies or (dumps.LIVE,), parts, made)
    return drift.document(made, parts.settings, found, options.start, options.to)
