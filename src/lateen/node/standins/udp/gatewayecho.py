"""The UDP server of the Gateway API's `echo-basic`: every datagram comes back as JSON.

python -m lateen.node.standins.udp.gatewayecho
"""

import os
import sys

from lateen.node.standins import goserver
from lateen.node.standins.sites.gatewayecho import pod_facts
from lateen.node.standins.udp.datagrams import serve_udp

_LONGEST = 1024
"""What the server reads of one datagram."""


def main() -> int:
    """Serve the port of UDP_PORT until killed."""
    facts = pod_facts()

    def answer(data: bytes, peer: tuple[str, int]) -> bytes:
        text = data[:_LONGEST].decode("utf-8", "replace")
        sys.stdout.write(f"Received UDP {text} from {peer[0]}:{peer[1]}\n")
        sys.stdout.flush()
        return goserver.encoded({"request": text, **facts}).encode()

    try:
        return serve_udp(int(os.environ.get("UDP_PORT") or "8080"), answer)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"echo server error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
