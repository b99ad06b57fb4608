"""Catalogue rows about what proxies listen on and connect to. Pure."""

from lateen.model.messages.lateen import Level, Row

_W = Level.WARNING

PROXIES = (
    Row(
        "LTN0250",
        _W,
        "IngressLeadsNowhere",
        "requests to port {port} end with 503: with captureMode NONE nobody knows where a client "
        "was going, and no defaultEndpoint says where the application listens",
        "Write where it listens: defaultEndpoint: 127.0.0.1:PORT.",
    ),
    Row(
        "LTN0251",
        _W,
        "EgressPortUnknown",
        "the egress listener of port {port} imports nothing: none of the services that it lists "
        "({count}) has that port",
        "Write a port that the services have, or leave port out to import them with all of theirs.",
    ),
)
