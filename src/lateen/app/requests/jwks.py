"""Key sets of token issuers, fetched from where RequestAuthentications say that they are.

As istiod does: one try at once, seven more a second apart, then after a minute, two, four, up to an
hour; what was fetched is fetched again every 20 minutes, and kept where that fails. A Service of
the lab is asked in the lab's network. Any other host is asked from this machine, under the rules
that pods have for what is outside.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lateen.app.reach.podstreams import ShimLink
from lateen.app.requests import sending, targets
from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.compiler.frontend.security import keysets
from lateen.model import wellknown
from lateen.model.client import ApiError
from lateen.model.istio import security
from lateen.model.schema import decode, durations, kinds
from lateen.model.snapshot import Snapshot
from lateen.store.api import Event, EventType, Key

log = logging.getLogger(__name__)

RESOURCE = "requestauthentications.security.istio.io"
_DOMAIN = wellknown.CLUSTER_DOMAIN
_TIMEOUT = 5.0
_REFRESH = 20 * 60.0
_QUICK, _QUICKLY = 7, 1.0
_SLOWLY, _SLOWEST = 60.0, 3600.0

Learn = Callable[[str, str, str], None]
"""Called with an address, its key set (empty: none yet) and what went wrong (empty: nothing)."""
Outside = Callable[[str], Awaitable[tuple[str, ...]]]
"""Returns the addresses of a host outside the lab; raises OSError."""


class _Wanted(msgspec.Struct):
    """What is known of one address."""

    timeout: float
    attempts: int = 0
    """Failed tries since the last that succeeded."""
    text: str = ""
    inside: bool = False
    following: asyncio.Task[None] | None = None


class KeyFetching:
    """Fetches every key set that is wanted, for as long as it is."""

    def __init__(
        self,
        shim: ShimLink,
        clock: Clock,
        snapshot: Callable[[], Snapshot],
        outside: Outside | None,
        *,
        trim: bool,
        learn: Learn,
    ) -> None:
        self._shim, self._clock, self._snapshot = shim, clock, snapshot
        self._outside, self._trim, self._learn = outside, trim, learn
        self._rules: dict[Key, tuple[security.JWTRule, ...]] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._tasks = TaskGroup("key sets")

    @property
    def pending(self) -> bool:
        """Whether keys of an issuer in the lab are about to come."""
        return any(
            each.inside and not each.text and each.attempts <= _QUICK
            for each in self._wanted.values()
        )

    def note(self, event: Event) -> None:
        """Take in a changed RequestAuthentication; called by the store within the write."""
        key = event.entry.key
        found = None
        if event.type is not EventType.DELETED:
            found = decode.decode_stored(kinds.KINDS[RESOURCE], event.entry.value)
        if found is None:
            self._rules.pop(key, None)
        else:
            self._rules[key] = found.spec.jwt_rules
        self._want(dict(self._addresses()))

    def _addresses(self) -> Iterator[tuple[str, float]]:
        for rules in self._rules.values():
            for rule in rules:
                if address := keysets.address(rule, trim=self._trim):
                    yield address, durations.seconds(rule.timeout) if rule.timeout else _TIMEOUT

    def _want(self, addresses: Mapping[str, float]) -> None:
        for gone in self._wanted.keys() - addresses.keys():
            ended = self._wanted.pop(gone).following
            if ended is not None:
                ended.cancel()
        for address, timeout in addresses.items():
            known = self._wanted.get(address)
            if known is None:
                inside = _is_inside(urlsplit(address).hostname or "")
                made = self._wanted[address] = _Wanted(timeout=timeout, inside=inside)
                made.following = self._tasks.start(self._follow(address, made), address)
            else:
                known.timeout = timeout

    async def _follow(self, address: str, wanted: _Wanted) -> None:
        """Fetch one key set again and again."""
        while True:
            problem = ""
            try:
                wanted.text = await self._key_set(address, wanted.timeout)
                wanted.attempts = 0
            except (ApiError, OSError, ValueError) as error:
                problem = str(error) or type(error).__name__
                wanted.attempts += 1
                log.warning("key set %s: %s", address, problem)
            self._learn(address, wanted.text, problem)
            await self._clock.sleep(_pause(wanted.attempts) if problem else _REFRESH)

    async def stop(self) -> None:
        """Fetch nothing more."""
        await self._tasks.stop()

    async def _key_set(self, address: str, timeout: float) -> str:
        """Return the key set at an address, or the one that an issuer's discovery document there
        names. Raises ValueError for an answer that is none, ApiError and OSError."""
        if address.endswith("/.well-known/openid-configuration"):
            found = _object(await self._get(address, timeout))
            address = str(found.get("jwks_uri", ""))
            if not address:
                raise ValueError("the issuer's discovery document has no jwks_uri")
        text = await self._get(address, timeout)
        if not isinstance(_object(text).get("keys"), list):
            raise ValueError("the answer has no list `keys`")
        return text

    async def _get(self, url: str, timeout: float) -> str:
        shim, address, port = await self._target(url)
        request = sending.Request(
            method="GET", url=url, address=address, port=port, timeout=timeout
        )
        answer = await sending.send(shim, request)
        if answer.error:
            raise ValueError(answer.error)
        if answer.status != 200:
            raise ValueError(f"the answer is {answer.status}")
        return answer.body.decode("utf-8", "replace")

    async def _target(self, url: str) -> tuple[ShimLink | None, str, int]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        service = targets.service_named(self._snapshot(), host)
        if service is not None:
            address = targets.reachable(service)
            if not address:
                raise ValueError(f"Service {host} has no address of its own")
            return self._shim, address, port
        if _is_inside(host):
            raise ValueError(f"there is no Service {host}")
        if self._outside is None:
            raise ValueError(f"{host} is outside the lab, and egress is off")
        addresses = await self._outside(host)
        if not addresses:
            raise ValueError(f"{host}: no address")
        return None, addresses[0], port


def _is_inside(host: str) -> bool:
    """Whether a host can be a Service of the cluster only."""
    return "." not in host or host.removesuffix(".").endswith((".svc", f".svc.{_DOMAIN}"))


def _pause(attempts: int) -> float:
    if attempts <= _QUICK:
        return _QUICKLY
    return min(_SLOWLY * 2.0 ** (attempts - _QUICK - 1), _SLOWEST)


def _object(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("the answer is no JSON object")
    return found
