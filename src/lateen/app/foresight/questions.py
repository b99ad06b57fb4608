"""A request to be explained, as a lab is asked for it."""

from collections.abc import Mapping

import msgspec

from lateen.app.foresight import state


class ExplainBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request to be explained."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    origin: str = msgspec.field(default="", name="from")
    namespace: str = "default"
    http: str = "1.1"
    insecure: bool = False
    sni: str = ""
    body: int = 0
    resolve: Mapping[str, str] = {}
    timeout: float = 15.0
    remedies: bool = True
    """Whether to try what may mend it, if it fails."""

    def request(self) -> state.Question:
        """Return it as a prediction takes it."""
        return state.Question(
            url=self.url,
            origin=self.origin,
            namespace=self.namespace,
            method=self.method,
            headers=self.headers,
            http=self.http,
            insecure=self.insecure,
            sni=self.sni,
            body=self.body,
            timeout=self.timeout,
            resolve=self.resolve,
        )
