"""Forms of names, hosts, ports, durations, patterns. A check returns a problem, or "". Pure."""

import ipaddress
import re
import warnings

from lateen.model.schema import durations

_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_HOST_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_WILD_LABEL = re.compile(r"\*(?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

PROTOCOLS = frozenset(
    (
        "GRPC",
        "GRPC-WEB",
        "HTTP",
        "HTTP_PROXY",
        "HTTP2",
        "HTTPS",
        "HBONE",
        "DOUBLE-HBONE",
        "MONGO",
        "MYSQL",
        "REDIS",
        "TCP",
        "TLS",
        "UDP",
    )
)
HTTP_PROTOCOLS = frozenset(("HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB"))
TLS_PROTOCOLS = frozenset(("HTTPS", "TLS"))


def dns_label(text: str) -> str:
    """Check a DNS-1123 label."""
    return "" if _DNS_LABEL.fullmatch(text) else f'invalid DNS label "{text}"'


def port(number: int) -> str:
    """Check a port number."""
    return "" if 1 <= number <= 65535 else f"port number {number} must be in the range 1..65535"


def is_ip(text: str) -> bool:
    """Say whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def ip_or_cidr(text: str) -> str:
    """Check an IP address or a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text} is not a valid IP address or CIDR"
    return ""


def fqdn(text: str) -> str:
    """Check a full domain name, without wildcards."""
    return _domain(text, wildcard=False)


def wildcard_domain(text: str) -> str:
    """Check a domain name whose first label may be a wildcard: `*`, `*.a.b`, `*foo.b`."""
    return _domain(text, wildcard=True)


def _domain(text: str, *, wildcard: bool) -> str:
    if not 1 <= len(text) <= 255:
        return f'domain name "{text}" length {len(text)} must be between 1 and 255'
    labels = text.removesuffix(".").split(".")
    for index, label in enumerate(labels):
        if wildcard and index == 0 and _WILD_LABEL.fullmatch(label):
            continue
        if "*" in label:
            return f'domain name "{text}" invalid (wildcards are allowed in the first label only)'
        if not _HOST_LABEL.fullmatch(label):
            return f'domain name "{text}" invalid (label "{label}" invalid)'
    if labels[-1].isdigit():
        return (
            f'domain name "{text}" invalid (top level domain "{labels[-1]}" cannot be all-numeric)'
        )
    return ""


def partial_wildcard(host: str) -> bool:
    """Say whether a host has a wildcard that is not `*` or `*.`."""
    return "*" in host and host != "*" and not host.startswith("*.")


def covers(pattern: str, host: str) -> bool:
    """Say whether a host pattern covers a host or another pattern, or equals it."""
    if pattern == host:
        return True
    return pattern.startswith("*") and host.removeprefix("*").endswith(pattern[1:])


def duration(text: str, *, zero: bool = False) -> str:
    """Check a duration: a whole number of milliseconds, at least one unless `zero`."""
    try:
        nanoseconds = durations.nanoseconds(text)
    except ValueError as error:
        return str(error)
    if zero and nanoseconds == 0:
        return ""
    if nanoseconds < 1_000_000:
        return "duration must be greater than 1ms"
    return "only durations to ms precision are supported" if nanoseconds % 1_000_000 else ""


def percent(value: int) -> str:
    """Check a whole percentage."""
    return "" if 0 <= value <= 100 else f"percentage {value} is not in range 0..100"


def fraction(value: float | None) -> str:
    """Check a percentage with decimals."""
    share = value or 0.0
    if not 0 <= share <= 100:
        return f"percentage {share:g} is not in range [0.0, 100.0]"
    if 0 < share < 0.0001:
        return f"percentage {share:g} is less than the minimum of 0.0001"
    return ""


_NOT_RE2 = (
    (re.compile(r"\(\?(?:=|!|<=|<!)"), "look-around is not supported"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]"), "back-references are not supported"),
    (re.compile(r"\(\?>|[*+?}]\+"), "possessive matching is not supported"),
    (re.compile(r"\(\?(?:#|\(|P=)"), "comments, conditions and named references are not supported"),
    (
        re.compile(r"\(\?[a-zA-Z-]*[aLux][a-zA-Z-]*[:)]"),
        "flags other than i, m, s, U are not supported",
    ),
    (
        re.compile(
            r"\[:(?!\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper"
            r"|word|xdigit):\])\^?[a-z]*:\]"
        ),
        "a character class of that name is not known",
    ),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[uUNZ]"), "\\u, \\U, \\N and \\Z are not supported"),
    (
        re.compile(r"(?<!\\x)\{(?:\d+,)?(?:\d{5,}|[2-9]\d{3}|1(?!000\b)\d{3})[,}]"),
        "more than 1000 repetitions",
    ),
)
_RE2_ONLY = (
    (re.compile(r"\\x\{[0-9A-Fa-f]{1,6}\}"), "a"),
    (re.compile(r"\(\?<(?=[A-Za-z_])"), "(?P<"),
    (re.compile(r"\\[pP](?:\{\^?\w+\}|[CLMNPSZ])"), "a"),
    (re.compile(r"\\z"), r"\\Z"),
    (
        re.compile(
            r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word"
            r"|xdigit):\]"
        ),
        "a",
    ),
    (re.compile(r"\(\?[ims]*U[imsU]*(?:-[imsU]+)?:"), "(?:"),
    (re.compile(r"\\C"), "."),
)
_QUOTED = re.compile(r"(?<!\\)((?:\\\\)*)\\Q(.*?)(?:\\E|$)", re.DOTALL)
_FLAGS = re.compile(r"\(\?[imsU]*(?:-[imsU]+)?\)")
"""Flags for what follows; Python takes them at the beginning only."""
MAX_PATTERN = 1024


def pattern(text: str) -> str:
    """Check a regular expression of RE2's syntax."""
    if len(text) > MAX_PATTERN:
        return f"regex is too large, max length allowed is {MAX_PATTERN}"
    given = text
    text = _QUOTED.sub(lambda quoted: quoted[1] + re.escape(quoted[2]), text)
    for form, why in _NOT_RE2:
        if form.search(text):
            return f"invalid regex {given!r}: {why} by RE2"
    text = _FLAGS.sub("", text)
    for form, instead in _RE2_ONLY:
        text = form.sub(instead, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"invalid regex {given!r}: {error}"
    return ""


PSEUDO_HEADERS = frozenset((":method", ":scheme", ":authority", ":path", ":status"))


def header_name(text: str) -> str:
    """Check the name of an HTTP header."""
    if not text:
        return "header name cannot be empty"
    return "" if _TOKEN.fullmatch(text) else f"header name {text} is not a valid header name"


def header_value(text: str) -> str:
    """Check a header value: `%` begins one of Envoy's variables and must be closed."""
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in text):
        return "header value must not contain control characters"
    if text.replace("%%", "").count("%") % 2:
        return (
            f"header value {text!r} has a variable that is not closed; write %% for a percent sign"
        )
    return ""
