"""A request in the words of the command line: what `explain` and `curl` have in common."""

import re
from collections.abc import Sequence

import msgspec

from lateen.model.labapi.explain import ExplainRequest
from lateen.model.labapi.request import HttpVersion

_WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name."""


class RequestWords(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. Names are curl's where curl has them."""

    url: str
    start: str = ""
    namespace: str = "default"
    method: str = ""
    headers: Sequence[str] = ()
    http: HttpVersion = "1.1"
    insecure: bool = False
    sni: str = ""
    data_size: int = 0
    timeout: float = 15.0

    def request(self) -> ExplainRequest:
        """Return it as a lab is asked. Raises ValueError, with what to write."""
        method = self.method or ("POST" if self.data_size else "GET")
        if not _WORD.fullmatch(method):
            raise ValueError(f"-X {method!r}: a method is one word, such as PUT")
        return ExplainRequest(
            url=self.url,
            origin=self.start,
            namespace=self.namespace,
            method=method,
            headers=tuple(headers(self.headers)[0]),
            http=self.http,
            insecure=self.insecure,
            sni=self.sni,
            body=self.data_size,
            timeout=self.timeout,
        )


def headers(texts: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the headers to send, and the names of those to leave out, as curl reads `-H`: `Name:`
    leaves one out, `Name;` sends it empty. Raises ValueError, with what to write."""
    sent: list[tuple[str, str]] = []
    without: list[str] = []
    for text in texts:
        name, colon, value = text.partition(":")
        empty = not colon and text.endswith(";")
        name = (text[:-1] if empty else name).strip()
        if not (colon or empty) or not _WORD.fullmatch(name) or any(c in value for c in "\r\n\0"):
            raise ValueError(f"-H {text!r}: write it as `Name: value`, in one line")
        if empty or value.strip():
            sent.append((name, value.strip()))
        else:
            without.append(name)
    return sent, without
