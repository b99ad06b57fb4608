"""What a failure class is made of. Pure."""

from enum import Enum, Flag, auto

import msgspec


class Category(Enum):
    """What a failure class is about."""

    NONE = "none"
    """Nothing failed."""
    TLS = "tls"
    AUTHORIZATION = "authorization"
    ROUTING = "routing"
    """Which destination there is for the request, and whether one can answer."""
    CONNECTION = "connection"
    LIMIT = "limit"
    """A timeout or a limit of the configuration was reached."""
    PROTOCOL = "protocol"
    """One side does not speak what the other expects."""
    ANSWER = "answer"
    """The answer is somebody's own, as it was meant."""


class Mark(Flag):
    """What a verdict has to tell beside the class itself."""

    NONE = 0
    TLS = auto()
    """What the client's proxy was told to send, and what the server accepts."""
    POOL = auto()
    """The DestinationRule's limits."""
    MEANT = auto()
    """The answer is as somebody meant it: no leg failed."""
    CLIENTS_TLS = auto()
    """The client did not accept the server: if no proxy began the TLS, no DestinationRule is to
    blame."""


class SendFailure(Enum):
    """Why a client got no answer, by its own socket and TLS library."""

    REFUSED = "connection refused"
    UNREACHABLE = "no way to the address"
    NO_CONNECTION = "no connection in time"
    NO_HANDSHAKE = "no TLS handshake in time"
    NO_ANSWER = "no answer in time"
    ENDED = "connection ended"
    CERTIFICATE = "certificate not accepted"
    TLS = "TLS failed"
    PROTOCOL = "no HTTP came back"
    NO_NETWORK = "the pod's network is gone"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One failure class.

    The last three say how Envoy's logs tell it, in Envoy's own words: flags of the client's proxy,
    parts of what it says of its connection, parts of what the server's proxy says of a handshake.
    """

    code: str
    """Stable."""
    category: Category
    words: str
    """What happened, to follow `it failed on …: `."""
    hints: tuple[str, ...] = ()
    """What helps in general, where nothing more is known."""
    marks: Mark = Mark.NONE
    flags: tuple[str, ...] = ()
    client_says: tuple[str, ...] = ()
    server_says: tuple[str, ...] = ()
    server_details: tuple[str, ...] = ()
    """How the details of an answer begin that the server's proxy gave itself."""
