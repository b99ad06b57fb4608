"""A request in the words of the command line: what `explain` and `curl` have in common."""

import re
from collections.abc import Sequence

import msgspec

from lateen.base.jsonvalue import Json

_WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name."""


class RequestWords(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. Names are curl's where curl has them."""

    url: str
    start: str = ""
    namespace: str = "default"
    method: str = ""
    headers: Sequence[str] = ()
    http: str = "1.1"
    insecure: bool = False
    sni: str = ""
    data_size: int = 0
    timeout: float = 15.0

    def body(self) -> Json:
        """Return it as the lab is asked. Raises ValueError, with what to write."""
        method = self.method or ("POST" if self.data_size else "GET")
        if not _WORD.fullmatch(method):
            raise ValueError(f"-X {method!r}: a method is one word, such as PUT")
        return {
            "url": self.url,
            "from": self.start,
            "namespace": self.namespace,
            "method": method,
            "headers": headers(self.headers)[0],
            "http": self.http,
            "insecure": self.insecure,
            "sni": self.sni,
            "body": self.data_size,
            "timeout": self.timeout,
        }


def headers(texts: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return the headers to send, and the names of those to leave out, as curl reads `-H`: `Name:`
    leaves one out, `Name;` sends it empty. Raises ValueError, with what to write."""
    sent, without = [], []
    for text in texts:
        name, colon, value = text.partition(":")
        empty = not colon and text.endswith(";")
        name = (text[:-1] if empty else name).strip()
        if not (colon or empty) or not _WORD.fullmatch(name) or any(c in value for c in "\r\n\0"):
            raise ValueError(f"-H {text!r}: write it as `Name: value`, in one line")
        if empty or value.strip():
            sent.append([name, value.strip()])
        else:
            without.append(name)
    return sent, without
