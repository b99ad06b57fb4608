"""What was asked of a request on its way: the tests that decided, with their answers. Pure.

A walk takes one request. What it was asked tells which other requests go the same way: all those
that answer the same tests alike. Rooms above make classes of requests of that.
"""

import msgspec


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """A test of one field's value.

    `kind` is `exact`, `prefix`, `suffix`, `contains`, `regex` (an RE2 expression on the whole
    value), `present` (whether there is a value), `network` (an address in CIDR form), or `other`
    for what is no question of a regular language, with words as its `value`.
    """

    __test__ = False  # no test of pytest's

    kind: str
    value: str = ""
    fold: bool = False
    """Whether case does not count."""
    cut: str = ""
    """A path whose beginning a proxy has rewritten: what it began with..."""
    put: str = ""
    """...and what stands there instead, when it is tested."""


PRESENT = Test(kind="present")
ISSUER = "claim iss"
"""The field of a token's issuer: a token is there where this is."""


class Literal(msgspec.Struct, frozen=True):
    """A test of a field (`path`, `method`, `header NAME`, `query NAME`, `claim NAME` of a token,
    `identity`, `address`) and its answer."""

    field: str
    test: Test
    answer: bool


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """Notes of one walk, and what is still the client's own of the request that it carries."""

    notes: list[Literal] = []
    identity: str = ""
    """The client's. Another's, of a proxy between, is not asked about the client."""
    address: str = ""
    fixed: frozenset[str] = frozenset()
    """Fields that a proxy has set: their tests say nothing of the request as it was sent."""
    cut: str = ""
    put: str = ""

    def note(self, field: str, test: Test, answer: bool) -> None:
        """Note a test, unless a proxy has set the field."""
        if field in self.fixed:
            return
        if field == "path" and (self.cut or self.put):
            test = msgspec.structs.replace(test, cut=self.cut, put=self.put)
        self.notes.append(Literal(field, test, answer))

    def without(self, field: str) -> "Trail":
        """Return the trail of a request of which a proxy has set a field."""
        return msgspec.structs.replace(self, fixed=self.fixed | {field})

    def moved(self, cut: str, put: str) -> "Trail":
        """Return the trail of a request whose path begins with `put` in place of `cut` now."""
        if not (self.cut or self.put):
            return msgspec.structs.replace(self, cut=cut, put=put)
        if self.put.startswith(cut):
            return msgspec.structs.replace(self, put=put + self.put[len(cut) :])
        return msgspec.structs.replace(self, cut=self.cut + cut[len(self.put) :], put=put)
