"""What the node's agent asks of the plane, and tells it. Pure."""

import msgspec


class ResolveRequest(msgspec.Struct, frozen=True):
    """A DNS query in base64, for a name outside the cluster."""

    query: str


class ResolveAnswer(msgspec.Struct, frozen=True):
    """The DNS reply in base64."""

    answer: str


class RulesAnswer(msgspec.Struct, frozen=True):
    """The plane has taken note of it."""
