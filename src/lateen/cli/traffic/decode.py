"""`lateen decode`: values that travel encoded, made readable."""

import json
import sys

from lateen.cli import exits


def peer_metadata(text: str) -> int:
    """The command: print an x-envoy-peer-metadata header as JSON; `-` reads standard input."""
    from lateen.observe import peermetadata

    try:
        decoded = peermetadata.decode(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        exits.complain(f"error: {error}")
        return exits.UNPARSABLE
    sys.stdout.write(json.dumps(decoded, indent=2, ensure_ascii=False) + "\n")
    return exits.OK
