"""A small curl: HTTP/1.1 over TCP and TLS, with curl's options, messages and exit codes.

    python -m lateen.node.standins.clients.curl [OPTION]… URL…

It stands in on machines without curl. It speaks no HTTP/2 and no other protocol.
"""

import os
import socket
import sys
import time
from typing import Any

from lateen.node.standins.clients import curlwords
from lateen.node.standins.clients.curlhttp import (
    Address,
    CurlAnswer,
    CurlError,
    address,
    body_of,
    parsed,
    redirected,
    request_head,
)
from lateen.node.standins.clients.curlwords import CurlUsageError, CurlWords

_NONE = float("inf")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_HEAD = 300 * 1024


def _plain(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error).replace("_", " ").lower()


class Transfer:
    """One URL, asked for and followed as the options say."""

    def __init__(self, words: CurlWords, url: str) -> None:
        self.words = words
        self.begun = time.monotonic()
        self.deadline = self.begun + (words.number("max_time") or _NONE)
        self.asked = address(url)
        self.answer: CurlAnswer | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)
        self.times = {"connect": 0.0, "appconnect": 0.0, "starttransfer": 0.0}
        self.redirects = 0
        self._buffer = b""

    def run(self) -> CurlAnswer:
        """Return the last response. Raises CurlError."""
        method, body = self._method()
        most = int(self.words.number("max_redirs", 50))
        while True:
            answer = self._exchange(method, body)
            moved = answer.header("location")
            if "follow" not in self.words.flags or answer.status not in _REDIRECTS or not moved:
                return answer
            self.redirects += 1
            if self.redirects > most:
                raise CurlError(47, f"Maximum ({most}) redirects followed")
            self._show(answer, final=False)
            self.asked = self._moved(moved)
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, body = "GET", None

    def _moved(self, where: str) -> Address:
        if "://" in where:
            return address(where)
        base = self.asked
        if not where.startswith("/"):
            where = f"{base.target.partition('?')[0].rpartition('/')[0]}/{where}"
        return base._replace(target=where)

    def _method(self) -> tuple[str, bytes | None]:
        body = body_of(self.words)
        if body is not None and "get" in self.words.flags:
            mark = "&" if "?" in self.asked.target else "?"
            self.asked = self.asked._replace(target=f"{self.asked.target}{mark}{body.decode()}")
            body = None
        usual = "HEAD" if "head" in self.words.flags else "GET" if body is None else "POST"
        return self.words.values.get("method", usual), body

    def _left(self) -> float | None:
        if self.deadline == _NONE:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> CurlError:
        spent = round((time.monotonic() - self.begun) * 1000)
        what = f"{len(self._buffer)} bytes received"
        if not self.times["connect"]:
            return CurlError(28, f"Connection timed out after {spent} milliseconds")
        return CurlError(28, f"Operation timed out after {spent} milliseconds with {what}")

    def _connected(self) -> Any:
        host, port = redirected(self.words, self.asked)
        patience = self.words.number("connect_timeout") or None
        left = self._left()
        limit = min((each for each in (patience, left) if each), default=None)
        begun = time.monotonic()
        try:
            if path := self.words.values.get("unix_socket"):
                made = socket.socket(socket.AF_UNIX)
                made.settimeout(limit)
                made.connect(path)
            else:
                made = socket.create_connection((host, port), limit)
        except socket.gaierror as error:
            raise CurlError(6, f"Could not resolve host: {host}") from error
        except TimeoutError as error:
            spent = round((time.monotonic() - begun) * 1000)
            said = f"Failed to connect to {host} port {port} after {spent} ms: Timeout was reached"
            raise CurlError(28, said) from error
        except OSError as error:
            spent = round((time.monotonic() - begun) * 1000)
            said = f"Failed to connect to {host} port {port} after {spent} ms: "
            raise CurlError(7, said + "Couldn't connect to server") from error
        self.times["connect"] = time.monotonic() - self.begun
        if made.family == socket.AF_INET:
            self.peer, self.local = made.getpeername()[:2], made.getsockname()[:2]
        self._say("*", f"Connected to {host} ({self.peer[0]}) port {port}")
        return self._secured(made) if self.asked.scheme == "https" else made

    def _secured(self, made: socket.socket) -> Any:
        import ssl

        values = self.words.values
        try:
            context = ssl.create_default_context(cafile=values.get("cacert"))
            context.set_alpn_protocols(["http/1.1"])
            if "insecure" in self.words.flags:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if cert := values.get("cert"):
                context.load_cert_chain(cert, values.get("key"))
        except OSError as error:
            raise CurlError(77, f"error setting certificate verify locations: {error}") from error
        try:
            secured = context.wrap_socket(made, server_hostname=self.asked.host)
        except ssl.SSLCertVerificationError as error:
            raise CurlError(60, f"SSL certificate problem: {error.verify_message}") from error
        except TimeoutError as error:
            raise self._late() from error
        except ssl.SSLError as error:
            raise CurlError(35, f"TLS connect error: {_plain(error)}") from error
        except OSError as error:
            said = "Recv failure: Connection reset by peer"
            raise CurlError(35, said if error.errno else "TLS connect error") from error
        self.times["appconnect"] = time.monotonic() - self.begun
        cipher = secured.cipher()
        self._say("*", f"SSL connection using {secured.version()} / {cipher[0] if cipher else '?'}")
        return secured

    def _exchange(self, method: str, body: bytes | None) -> CurlAnswer:
        stream = self._connected()
        with stream:
            stream.settimeout(self._left())
            head = request_head(self.words, self.asked, method, body)
            for line in head.decode("latin-1").splitlines():
                self._say(">", line)
            try:
                stream.sendall(head + (body or b""))
                return self._read(stream, method)
            except TimeoutError as error:
                raise self._late() from error
            except OSError as error:
                raise CurlError(56, f"Recv failure: {error.strerror or error}") from error

    def _read(self, stream: Any, method: str) -> CurlAnswer:
        self._buffer = b""
        while True:
            head = self._until(stream, b"\r\n\r\n")
            answer = parsed(head)
            for line in head.decode("latin-1").splitlines():
                self._say("<", line)
            if answer.status >= 200 or answer.status == 101:
                break
        self.times["starttransfer"] = time.monotonic() - self.begun
        return answer._replace(body=self._rest(stream, answer, method))

    def _rest(self, stream: Any, answer: CurlAnswer, method: str) -> bytes:
        if method == "HEAD" or answer.status in (101, 204, 304):
            return b""
        if "chunked" in answer.header("transfer-encoding").lower():
            body = b""
            while size := int(self._until(stream, b"\r\n").partition(b";")[0].strip() or b"0", 16):
                body += self._exactly(stream, size + 2)[:-2]
            return body
        if (length := answer.header("content-length")).isdigit():
            return self._exactly(stream, int(length))
        while data := self._more(stream):
            self._buffer += data
        return self._taken(len(self._buffer))

    def _more(self, stream: Any) -> bytes:
        stream.settimeout(self._left())
        data: bytes = stream.recv(65536)
        return data

    def _until(self, stream: Any, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = self._more(stream)
            if not data and not self._buffer:
                raise CurlError(52, "Empty reply from server")
            if not data or len(self._buffer) > _MOST_HEAD:
                if not self._buffer.startswith(b"HTTP/"):
                    raise CurlError(1, "Received HTTP/0.9 when not allowed")
                raise CurlError(56, "Recv failure: the response ended early")
            self._buffer += data
        return self._taken(self._buffer.index(mark) + len(mark))

    def _exactly(self, stream: Any, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self._more(stream)
            if not data:
                left = count - len(self._buffer)
                raise CurlError(18, f"end of response with {left} bytes missing")
            self._buffer += data
        return self._taken(count)

    def _taken(self, count: int) -> bytes:
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _say(self, mark: str, text: str) -> None:
        if "verbose" in self.words.flags:
            sys.stderr.write(f"{mark} {text}\n")

    def _show(self, answer: CurlAnswer, *, final: bool = True) -> None:
        """Write a response to where the options say; of one that is followed, the head alone."""
        shown = answer.head if self.words.flags & {"include", "head"} else b""
        if final and not ("fail" in self.words.flags and answer.status >= 400):
            shown += answer.body
        name = self.words.values.get("output", "-")
        if "remote_name" in self.words.flags:
            name = self.asked.target.partition("?")[0].rpartition("/")[2] or "curl_response"
        if name == "-":
            sys.stdout.flush()
            sys.stdout.buffer.write(shown)
            sys.stdout.buffer.flush()
        elif final or shown:
            try:
                with open(name, "wb") as file:
                    file.write(shown)
            except OSError as error:
                raise CurlError(23, f"client returned ERROR on write: {error}") from error

    def finish(self) -> None:
        """Ask, show, and judge. Raises CurlError."""
        self.answer = self.run()
        self._show(self.answer)
        if "fail" in self.words.flags and self.answer.status >= 400:
            raise CurlError(22, f"The requested URL returned error: {self.answer.status}")


def written(form: str, transfer: Transfer, code: int, message: str) -> str:
    """Fill in `--write-out`."""
    answer = transfer.answer or CurlAnswer("0", 0, b"", [], b"")
    took = time.monotonic() - transfer.begun
    known = {
        "http_code": f"{answer.status:03}",
        "response_code": f"{answer.status:03}",
        "http_version": answer.version,
        "size_download": str(len(answer.body)),
        "size_header": str(len(answer.head)),
        "time_total": f"{took:.6f}",
        **{f"time_{name}": f"{value:.6f}" for name, value in transfer.times.items()},
        "remote_ip": transfer.peer[0],
        "remote_port": str(transfer.peer[1]),
        "local_ip": transfer.local[0],
        "local_port": str(transfer.local[1]),
        "url_effective": transfer.asked.url,
        "url": transfer.asked.url,
        "scheme": transfer.asked.scheme,
        "content_type": answer.header("content-type"),
        "redirect_url": answer.header("location"),
        "num_redirects": str(transfer.redirects),
        "num_connects": "1",
        "ssl_verify_result": "0",
        "exitcode": str(code),
        "errormsg": message,
    }
    for escaped, sign in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r")):
        form = form.replace(escaped, sign)
    out, rest = "", form
    while "%{" in rest:
        before, _, rest = rest.partition("%{")
        name, _, rest = rest.partition("}")
        out += before + known.get(name, "")
    return (out + rest).replace("%%", "%")


def _attempt(words: CurlWords, url: str) -> int:
    """Ask for one URL, again where the options say; return curl's exit code."""
    left = int(words.number("retry"))
    while True:
        transfer, code, message = Transfer(words, url), 0, ""
        try:
            transfer.finish()
        except CurlError as error:
            code, message = error.code, str(error)
        transient = code == 28 or (code == 7 and "retry_refused" in words.flags)
        status = transfer.answer.status if transfer.answer else 0
        if left <= 0 or not (transient or status in (408, 429, 500, 502, 503, 504)):
            break
        left -= 1
        time.sleep(words.number("retry_delay", 1.0))
    if code and (not words.flags & {"silent"} or "show_error" in words.flags):
        sys.stderr.write(f"curl: ({code}) {message}\n")
    if form := words.values.get("write_out"):
        sys.stdout.write(written(form, transfer, code, message))
        sys.stdout.flush()
    return code


def main(arguments: list[str]) -> int:
    """Run a command line; return curl's exit code."""
    if arguments[:1] in (["-V"], ["--version"]):
        sys.stdout.write(f"curl {curlwords.VERSION} (Lateen's stand-in)\nProtocols: http https\n")
        return 0
    try:
        words = curlwords.read(arguments)
        asked = words.lists["urls"]
        if not asked:
            raise CurlUsageError("(2) no URL specified")
        many = "no_globs" not in words.flags
        urls = [each for url in asked for each in (curlwords.globbed(url) if many else [url])]
        return [_attempt(words, url) for url in urls][-1]
    except (CurlUsageError, CurlError) as error:
        code = getattr(error, "code", 2)
        mark = f"({code}) " if isinstance(error, CurlError) else ""
        sys.stderr.write(f"curl: {mark}{error}\n")
        if code == 2:
            sys.stderr.write("curl: try 'curl --help' for more information\n")
        return int(code)
    except BrokenPipeError:
        os.close(1)
        return 23
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
