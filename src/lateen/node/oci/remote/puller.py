"""The process that pulls one image, apart from who asks: pulling and unpacking take long.

    python -m lateen.node.oci.remote.puller   with a PullOrder as JSON on standard input

It prints an ImageAnswer as JSON and ends with 0.
"""

import signal
import sys

import msgspec

from lateen.base import parentdeath
from lateen.base.clock import Clock, SystemClock
from lateen.model.labapi.images import ImageAnswer
from lateen.node.oci import lookup
from lateen.node.oci.found import PullOrder
from lateen.node.oci.remote import credentials, engines, pulling
from lateen.node.oci.remote.credentials import Credentials
from lateen.node.oci.store import ImageStore


def pull(order: PullOrder, clock: Clock) -> ImageAnswer:
    """Pull an image and unpack it. What fails is in the answer."""
    configs = (*order.wish.configs, *credentials.here().configs)
    way = pulling.PullSettings(credentials=Credentials(tuple(configs)), mirrors=order.mirrors)

    def bring(store: ImageStore) -> None:
        if not order.wish.anew and engines.load(store, order.wish.name) is not None:
            return
        pulling.pull(store, order.wish.name, way, lambda progress: None)

    return lookup.answer(order.root, order.wish.name, clock, bring)


def main() -> int:
    """Pull what standard input names."""
    parentdeath.ask(signal.SIGTERM)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=PullOrder)
    sys.stdout.buffer.write(msgspec.json.encode(pull(order, SystemClock())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
