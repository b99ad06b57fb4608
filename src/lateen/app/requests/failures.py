"""Why a client got no answer, from what its socket and its TLS library raised."""

import errno
import ssl

import httpcore

from lateen.causes.cause import SendFailure
from lateen.node.shim.client import ShimError, ShimGoneError

_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})


def of(error: BaseException, *, connected: bool, handshaking: bool) -> SendFailure:
    """Return the class of an error. `connected`: the server had taken the connection;
    `handshaking`: TLS had begun on it and was not finished.

    What caused it is its context: httpcore's pool raises errors again without their cause.
    """
    if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
        if not connected:
            return SendFailure.NO_CONNECTION
        return SendFailure.NO_HANDSHAKE if handshaking else SendFailure.NO_ANSWER
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SendFailure.CERTIFICATE
    if isinstance(cause, ssl.SSLError) or handshaking:
        return SendFailure.TLS
    if isinstance(cause, (ShimError, ShimGoneError)):
        return SendFailure.NO_NETWORK
    if isinstance(cause, OSError):
        return _of_socket(cause)
    if isinstance(error, httpcore.RemoteProtocolError) and "disconnected" not in str(error):
        return SendFailure.PROTOCOL
    return SendFailure.ENDED


def _of_socket(error: OSError) -> SendFailure:
    if isinstance(error, ConnectionRefusedError):
        return SendFailure.REFUSED
    if error.errno in _UNREACHABLE:
        return SendFailure.UNREACHABLE
    if error.errno == errno.ETIMEDOUT:
        return SendFailure.NO_CONNECTION
    return SendFailure.ENDED
