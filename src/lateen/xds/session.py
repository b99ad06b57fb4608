"""What every session of a client does, whatever its protocol variant. Pure."""

import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from lateen.compiler.output import ResourceType
from lateen.xds import resources
from lateen.xds.plan import Batch, Plan


class Send(msgspec.Struct, frozen=True):
    """Command: write a response to the client. It is encoded when it is written: that of thousands
    of resources takes milliseconds."""

    kind: ResourceType
    encode: Callable[[], bytes]
    size: int
    """How many resources it carries."""
    names: tuple[str, ...]


class Settled(msgspec.Struct, frozen=True):
    """Report: the client accepted (error None) or rejected a response of so many names."""

    kind: ResourceType
    names: tuple[str, ...]
    error: str | None


Output = Send | Settled


class Session(Protocol):
    """A client's stream as a state machine: bytes in, commands and reports out."""

    plan: Plan

    def receive(self, data: bytes) -> list[Output]:
        """Take a request. Raises PermissionError if it names another node than it may."""
        ...

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> list[Output]:
        """Take a new configuration."""
        ...

    def release(self) -> list[Output]:
        """Stop holding listeners and routes back."""
        ...


def check_node(expected: str, claimed: str) -> None:
    """Raise PermissionError when a client says it is another node than its socket's.

    `expected` is a whole node id, or only its third part, `POD.NAMESPACE`, for a socket that is
    opened before the pod has its address.
    """
    if claimed and claimed != expected and claimed.split("~")[2:3] != [expected]:
        raise PermissionError(
            f"this socket belongs to {expected!r}; the client claims to be {claimed!r}"
        )


class Base(abc.ABC):
    """The part of a session that both variants share."""

    def __init__(self, node_id: str, config: resources.Config) -> None:
        self.plan = Plan(config)
        self._node_id = node_id
        self._nonce = 0
        self._named = False

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> list[Output]:
        """Take a new configuration and the names in which it differs."""
        self.plan.publish(config, touched)
        return self._advance()

    def release(self) -> list[Output]:
        """Stop holding listeners and routes back."""
        self.plan.release()
        return self._advance()

    def _identify(self, claimed: str) -> None:
        """Demand the right node id, in the first request at least."""
        if not claimed and not self._named:
            raise PermissionError("the first request must name its node")
        check_node(self._node_id, claimed)
        self._named = True

    def _advance(self) -> list[Output]:
        """Turn what the plan can send now into responses."""
        out: list[Output] = []
        while batches := self.plan.next():
            for batch in batches:
                self._nonce += 1
                nonce = str(self._nonce)
                encoder = self._encoder(batch, nonce)
                if encoder is not None:
                    self.plan.mark(batch, nonce)
                    out.append(Send(batch.kind, *encoder, batch.names))
        return out

    @abc.abstractmethod
    def _encoder(self, batch: Batch, nonce: str) -> tuple[Callable[[], bytes], int] | None:
        """Return what encodes a batch, and of how many resources; None if the variant has no words
        for it."""

    def _settle(self, kind: ResourceType, nonce: str, error: str | None) -> list[Output]:
        names = self.plan.settle(kind, nonce, error) if nonce else None
        return [] if names is None else [Settled(kind, names, error)]
