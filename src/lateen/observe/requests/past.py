"""What was and is no more: views that proxies had, pods that are gone. Pure.

A request is explained by what held when it was made. What is kept is bounded; the oldest goes
first.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.observe.requests.directory import Directory, role

LIMIT = 1024
"""Views that are kept, of all proxies together. They share what did not change between them."""
SETTLES = timedelta(seconds=1)
"""For so long after a view is published a proxy may still act by the one before."""


class Past:
    """Remembers which view each proxy had since when, and who had which address."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._views: dict[str, deque[tuple[datetime, ProxyView]]] = {}
        self._order: deque[str] = deque()
        self._gone: OrderedDict[str, str] = OrderedDict()

    def publish(self, proxy: str, view: ProxyView, at: datetime) -> None:
        """Note that a proxy has a view from a moment on."""
        self._views.setdefault(proxy, deque()).append((at, view))
        self._order.append(proxy)
        if len(self._order) > self._limit:
            oldest = self._order.popleft()
            self._views[oldest].popleft()
            if not self._views[oldest]:
                del self._views[oldest]

    def leave(self, address: str, pod: str) -> None:
        """Note that a pod, `namespace/name`, no longer has an address."""
        self._gone[address] = pod
        self._gone.move_to_end(address)
        if len(self._gone) > self._limit:
            self._gone.popitem(last=False)

    def views(self, proxy: str, when: datetime) -> tuple[ProxyView, ...]:
        """Return the views that a proxy may have acted by at a moment, the newest first; empty
        where that is not known any more."""
        found = []
        for at, view in reversed(self._views.get(proxy, ())):
            if at <= when:
                found.append(view)
                if at <= when - SETTLES:
                    break
        return tuple(found)

    def remembered(self, now: Directory) -> Directory:
        """Return a directory with the pods that are gone, where nobody else has their address."""
        gone = {address: pod for address, pod in self._gone.items() if address not in now.pods}
        last = {pod: self._views[pod][-1][1] for pod in gone.values() if pod in self._views}
        if not gone:
            return now
        return msgspec.structs.replace(
            now,
            pods={**gone, **now.pods},
            proxies={**{pod: role(view) for pod, view in last.items()}, **now.proxies},
            identities={
                **{pod: view.node.identity for pod, view in last.items()},
                **now.identities,
            },
        )
