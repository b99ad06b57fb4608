"""What a socket or a TLS library raised, as one of the kinds of failure."""

import errno
import ssl

import httpcore
import pytest

from lateen.app.requests import failures
from lateen.causes.cause import SendFailure


def raised(cause: Exception, error: Exception) -> Exception:
    """Return an error as it comes out of the library's pool, which raises it again by itself."""
    try:
        try:
            try:
                raise cause
            except Exception as first:
                raise error from first
        except Exception as again:
            raise again from None
    except Exception as last:
        return last


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (raised(ConnectionRefusedError(), httpcore.ConnectError()), SendFailure.REFUSED),
        (raised(ConnectionResetError(), httpcore.ReadError()), SendFailure.ENDED),
        (raised(OSError(errno.ENETUNREACH, "x"), httpcore.ConnectError()), SendFailure.UNREACHABLE),
        (raised(OSError(errno.ETIMEDOUT, "x"), httpcore.ConnectError()), SendFailure.NO_CONNECTION),
        (
            raised(ssl.SSLCertVerificationError(), httpcore.ConnectError()),
            SendFailure.CERTIFICATE,
        ),
        (raised(ssl.SSLError(), httpcore.ReadError()), SendFailure.TLS),
        (httpcore.RemoteProtocolError("illegal status line"), SendFailure.PROTOCOL),
        (
            httpcore.RemoteProtocolError("Server disconnected without sending a response."),
            SendFailure.ENDED,
        ),
    ],
)
def test_the_kind_of_an_error(error: Exception, failure: SendFailure) -> None:
    assert failures.of(error, connected=True, handshaking=False) is failure


@pytest.mark.parametrize("error", [TimeoutError(), httpcore.ReadTimeout()])
@pytest.mark.parametrize(
    ("connected", "handshaking", "failure"),
    [
        (False, False, SendFailure.NO_CONNECTION),
        (True, True, SendFailure.NO_HANDSHAKE),
        (True, False, SendFailure.NO_ANSWER),
    ],
)
def test_what_did_not_come_in_time_is_told_by_how_far_it_came(
    error: Exception, connected: bool, handshaking: bool, failure: SendFailure
) -> None:
    made = failures.of(error, connected=connected, handshaking=handshaking)
    assert made is failure


def test_what_ends_a_handshake_is_a_failure_of_tls() -> None:
    error = raised(ConnectionResetError(), httpcore.ConnectError())
    assert failures.of(error, connected=True, handshaking=True) is SendFailure.TLS
