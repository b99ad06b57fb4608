"""The page: how it is opened, what may be asked there, and what it is told live. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.base.jsonvalue import Json
from lateen.model.labapi.apply import ApplyAnswer
from lateen.model.labapi.traffic import Edge


class PageRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open the page's address, or close it and void its key."""

    stop: bool = False
    hosts: tuple[str, ...] = ()
    """Names that the Host header may have besides those of this machine, until it is closed."""


class PageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is. `code` is good once and for `seconds`; both ends empty when stopped."""

    url: str = ""
    code: str = ""
    seconds: float = 0.0


class CodeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one-time code that the browser was opened with."""

    code: str


class PageKey(msgspec.Struct, frozen=True):
    """What the page sends with every call, as a bearer token."""

    token: str


class DraftRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A changed object as YAML: what it would do, or (`apply`) do it.

    `name` is what places in it are called; `version` the resourceVersion that it was made from, and
    another one by now is a conflict; empty for an object that is to be new."""

    text: str
    name: str = "draft"
    version: str = ""
    apply: bool = False


class DraftAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the server took a draft, and which classes of requests it changes: the document of
    `lateen diff`, None where it was refused or applied."""

    taken: ApplyAnswer
    changes: Json | None = None


class PageNode(msgspec.Struct, frozen=True, kw_only=True):
    """A pod as the page draws it. `role` is gateway, sidecar or app (which has no proxy)."""

    name: str
    namespace: str
    workload: str
    role: str
    identity: str = ""
    services: tuple[str, ...] = ()
    mode: str = ""
    """What its sidecar was sent of PeerAuthentications: the workload's mode, then ports whose mode
    is another (`STRICT, DISABLE at 8080`). Empty without a sidecar."""


class LiveCount(msgspec.Struct, frozen=True):
    """Requests and errors within a window."""

    requests: int
    errors: int


class LiveEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge with what is counted by windows: `10`, `60` and `600` seconds, and `all` since the
    page was first looked at (what the ledger still held is part of it). `last` is RFC 3339."""

    edge: Edge
    windows: Mapping[str, LiveCount]
    last: str


class LiveLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `topic` is `edges` (the rows that changed; with `whole` all there are), `nodes`,
    `status` or `beat`. `number` is the ledger's newest entry that is in it."""

    topic: str
    number: int = 0
    whole: bool = False
    edges: tuple[LiveEdge, ...] = ()
    nodes: tuple[PageNode, ...] = ()
    status: Mapping[str, object] | None = None
    since: str = ""
