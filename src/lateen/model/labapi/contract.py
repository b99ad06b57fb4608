"""The lab's own API as data: every path with its method, its request and its answer. Pure.

Server and clients both take paths and forms from here, so they cannot differ within one build. A
field that is new gets a default: an answer of an older plane then still has the form. A path or
field that changes its meaning needs a new version in `ROOT`.
"""

from typing import Any

import msgspec

from lateen.model.labapi.apply import ApplyAnswer, ApplyRequest
from lateen.model.labapi.explain import ExplainAnswer, ExplainRequest
from lateen.model.labapi.findings import FindingRecord
from lateen.model.labapi.images import ImageAnswer, ImageWish, ProcessAnswer, ProcessOrder
from lateen.model.labapi.node import ResolveAnswer, ResolveRequest, RulesAnswer
from lateen.model.labapi.page import (
    CodeGiven,
    DraftAnswer,
    DraftRequest,
    LiveLine,
    PageAnswer,
    PageKey,
    PageRequest,
)
from lateen.model.labapi.request import CurlAnswer, CurlRequest
from lateen.model.labapi.status import Status
from lateen.model.labapi.traffic import EdgeTable, KeptOpenings, TapLine

ROOT = "/lateen/v1/"
"""Begins every path of the lab's own; the last part is the version of the contract."""
VERSION_HEADER = "Lateen-Version"
"""Names the version of Lateen that answers. Every answer below `ROOT` has it, errors too."""


class LabPath(msgspec.Struct, frozen=True):
    """One path: a segment in braces is anything. `answer` is the form of the answer, or of each
    line where the answer is `lines`; `request` that of the body, None where there is none."""

    method: str
    path: str
    answer: Any
    request: Any = None
    lines: bool = False

    def of(self, **names: str) -> str:
        """Return the path with its segments in braces filled in."""
        return self.path.format(**names)


STATUS = LabPath("GET", f"{ROOT}status", Status)
CONFIG = LabPath("GET", f"{ROOT}config/{{namespace}}/{{pod}}", dict[str, Any])
"""Of one proxy: what Envoy was given, in Envoy's own JSON, by type."""
CAPTURE = LabPath("GET", f"{ROOT}capture", KeptOpenings)
TAP = LabPath("GET", f"{ROOT}tap", TapLine, lines=True)
EDGES = LabPath("GET", f"{ROOT}edges", EdgeTable)
REQUEST = LabPath("POST", f"{ROOT}request", CurlAnswer, CurlRequest)
EXPLAIN = LabPath("POST", f"{ROOT}explain", ExplainAnswer, ExplainRequest)
ANALYZE = LabPath("GET", f"{ROOT}analyze", tuple[FindingRecord, ...])
APPLY = LabPath("POST", f"{ROOT}apply", ApplyAnswer, ApplyRequest)
PROCESS = LabPath("POST", f"{ROOT}process", ProcessAnswer, ProcessOrder)
IMAGE = LabPath("POST", f"{ROOT}image", ImageAnswer, ImageWish)
RESOLVE = LabPath("POST", f"{ROOT}resolve", ResolveAnswer, ResolveRequest)
RULES = LabPath("POST", f"{ROOT}rules", RulesAnswer, dict[str, int])
"""The agent says by resource which revision's rules the kernel has."""

PAGE = LabPath("POST", f"{ROOT}page", PageAnswer, PageRequest)
PAGE_KEY = LabPath("POST", f"{ROOT}page/key", PageKey, CodeGiven)
"""At the page's own address only, for who has no token yet."""
POSTURE = LabPath("GET", f"{ROOT}posture", dict[str, Any])
"""At the page's address only: the document of `lateen posture`, by `from`, `to` and `only`."""
DRAFT = LabPath("POST", f"{ROOT}draft", DraftAnswer, DraftRequest)
"""At the page's address only."""
LIVE = LabPath("GET", f"{ROOT}live", LiveLine, lines=True)
"""What the page follows: a snapshot, then changes."""

AT_THE_PAGE = (PAGE_KEY, POSTURE, DRAFT)
"""What the page's own address alone serves, beside what it has of the lab's."""
OF_THE_MESH = (STATUS, CONFIG, CAPTURE, TAP, EDGES, REQUEST, EXPLAIN, ANALYZE)
"""What the mesh's part of the plane serves."""
EVERY = (*OF_THE_MESH, PAGE, *AT_THE_PAGE, LIVE, APPLY, PROCESS, IMAGE, RESOLVE, RULES)
