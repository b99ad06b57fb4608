"""Which certificate each proxy holds, and when it must be renewed."""

import logging
from collections.abc import Callable, Mapping

import msgspec

from lateen.base.clock import Clock
from lateen.compiler.backend import secrets
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.pki import rotation
from lateen.pki.authority import Authority
from lateen.pki.svid import Svid

log = logging.getLogger(__name__)


class IssuedSvid(msgspec.Struct, frozen=True):
    """A proxy's certificate and the moment to renew it (monotonic seconds)."""

    identity: str
    svid: Svid
    renew_at: float


class Identities:
    """Issues an SVID to each proxy and renews it while its connections live.

    `publish` is handed the proxy's name and its SDS resources; Envoy takes a new certificate for
    new handshakes and leaves established connections alone.
    """

    def __init__(
        self,
        authority: Authority,
        clock: Clock,
        publish: Callable[[str, ResourceSet], None],
        *,
        ttl: float = 24 * 3600.0,
    ) -> None:
        self._authority = authority
        self._clock = clock
        self._publish = publish
        self._ttl = ttl
        self._held: dict[str, IssuedSvid] = {}

    @property
    def held(self) -> Mapping[str, IssuedSvid]:
        """The certificate of each proxy, by `namespace/pod`."""
        return self._held

    def ensure(self, proxy: str, identity: str) -> None:
        """Issue to a new proxy, or to one whose ServiceAccount changed."""
        held = self._held.get(proxy)
        if held is None or held.identity != identity:
            self._issue(proxy, identity)

    def forget(self, proxy: str) -> None:
        """Drop a proxy that is gone."""
        self._held.pop(proxy, None)

    def _issue(self, proxy: str, identity: str) -> None:
        svid = self._authority.issue(identity, self._ttl)
        now = self._clock.now()  # the certificate's own beginning is set back, for slow clocks
        delay = rotation.renew_after(now, svid.not_after, now, key=proxy)
        self._held[proxy] = IssuedSvid(identity, svid, self._clock.monotonic() + delay)
        self._publish(proxy, _resources(svid, self._authority.root_pem))

    async def run(self) -> None:
        """Renew what is due, for ever."""
        while True:
            now = self._clock.monotonic()
            for proxy, held in list(self._held.items()):
                if held.renew_at <= now:
                    log.info("renewing the certificate of %s", proxy)
                    self._issue(proxy, held.identity)
            due = min((held.renew_at for held in self._held.values()), default=now + 60.0)
            longest = min(60.0, self._ttl / 10)  # what is issued meanwhile may be due before
            await self._clock.sleep(min(longest, max(0.05, due - self._clock.monotonic())))


def _resources(svid: Svid, root_pem: str) -> ResourceSet:
    made = (secrets.svid_resource(svid.chain_pem, svid.key_pem), secrets.root_resource(root_pem))
    return ResourceSet({ResourceType.SECRET: {resource.name: resource for resource in made}})
