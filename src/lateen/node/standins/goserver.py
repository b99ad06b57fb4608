"""What servers written in Go say of a request: JSON, header names, durations, names of ciphers."""

import json
import re
from typing import Any

from lateen.node.standins.http1 import TlsSession

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_ESCAPED = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"))


def encoded(value: Any, indent: int | None = None) -> str:
    """Return JSON as Go writes it: no blanks unless indented, `<`, `>` and `&` escaped."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)
    for mark, instead in _ESCAPED:
        text = text.replace(mark, instead)
    return text


def canonical(name: str) -> str:
    """Return a header's name as Go keeps it: `X-Forwarded-For`."""
    return "-".join(part.capitalize() for part in name.split("-"))


def headers(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return a request's headers by name, sorted, without Host: Go keeps that apart."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.lower() != "host":
            found.setdefault(canonical(name), []).append(value)
    return dict(sorted(found.items()))


def seconds(text: str) -> float:
    """Read a duration: `1m30s`, `500ms`, `0`. Raises ValueError in Go's words."""
    plain = text.removeprefix("-").removeprefix("+")
    if plain == "0":
        return 0.0
    parts = _PART.findall(plain)
    if not parts or "".join(number + unit for number, unit in parts) != plain:
        raise ValueError(f"time: invalid duration {json.dumps(text)}")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total


def cipher(openssl: str) -> str:
    """Return OpenSSL's name of a cipher suite as the registry of TLS has it."""
    if openssl.startswith("TLS_") or not openssl:
        return openssl
    exchange, _, rest = openssl.partition("-")
    if exchange != "ECDHE":
        exchange, rest = "RSA", openssl
    else:
        signature, _, rest = rest.partition("-")
        exchange = f"ECDHE_{signature}"
    rest = rest.replace("AES128", "AES_128").replace("AES256", "AES_256").replace("-", "_")
    if rest == "CHACHA20_POLY1305":
        rest += "_SHA256"
    if rest.endswith("_SHA") and "GCM" not in rest:
        rest = rest.removesuffix("_SHA") + "_CBC_SHA"
    return f"TLS_{exchange}_WITH_{rest}"


def pem(certificate: bytes) -> str:
    """Return a certificate (DER) as a block of PEM."""
    import base64

    text = base64.b64encode(certificate).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def facts(secured: TlsSession) -> dict[str, Any]:
    """Return what TLS agreed on, as the Gateway API's echo server tells it."""
    told: dict[str, Any] = {"version": secured.version}
    if secured.certificates:
        told["peerCertificates"] = [pem(each) for each in secured.certificates]
    told["serverName"] = secured.server_name
    if secured.protocol:
        told["negotiatedProtocol"] = secured.protocol
    told["cipherSuite"] = cipher(secured.cipher)
    return told
