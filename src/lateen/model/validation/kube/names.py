"""Forms of names, keys and addresses that Kubernetes has for its own kinds. Pure.

A rule returns what is wrong with a text, in the API server's words, or an empty string.
"""

import ipaddress
import re
from collections.abc import Callable

Rule = Callable[[str], str]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_label = re.compile(_LABEL)
_subdomain = re.compile(_SUBDOMAIN)
_label_1035 = re.compile(_LABEL_1035)


def subdomain(name: str) -> str:
    """The rule of most kinds: lower case, digits, dashes and dots, 253 at most."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    if _subdomain.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
        "'-' or '.', and must start and end with an alphanumeric character "
        f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
    )


def label(name: str) -> str:
    """The rule of namespaces and of container names: one DNS label, 63 at most."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    if _label.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character "
        f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
    )


def label_1035(name: str) -> str:
    """The rule of Services: a DNS label that starts with a letter."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    if _label_1035.fullmatch(name):
        return ""
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
        "an alphabetic character, and end with an alphanumeric character "
        f"(e.g. 'my-name',  or 'abc-123', regex used for validation is '{_LABEL_1035}')"
    )


_KEY = "[-._a-zA-Z0-9]+"
_key = re.compile(_KEY)


def config_key(name: str) -> str:
    """The rule of a key in a ConfigMap or Secret, which may become a file's name."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    if not _key.fullmatch(name):
        return (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
            f"'{_KEY}')"
        )
    if name in (".", "..") or name.startswith(".."):
        return "must not be '.' or '..', or start with '..'"
    return ""


def path_segment(name: str) -> str:
    """The rule of RBAC objects: anything that fits in one URL path segment."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    for character in "/%":
        if character in name:
            return f"may not contain '{character}'"
    return ""


_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")


def port_name(name: str) -> str:
    """The rule of a port's name: a service name as IANA has them."""
    if len(name) > 15:
        return "must be no more than 15 bytes"
    if not re.fullmatch("[-a-z0-9]*", name):
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", name):
        return "must contain at least one letter (a-z)"
    if "--" in name:
        return "must not contain consecutive hyphens"
    return "" if _PORT_NAME.fullmatch(name) else "must not begin or end with a hyphen"


def variable(name: str) -> str:
    """The rule of an environment variable's name."""
    if name and all(" " <= one <= "~" and one != "=" for one in name):
        return ""
    return (
        "a valid environment variable name must consist only of printable ASCII characters other "
        "than '='"
    )


_HEADER = "[-A-Za-z0-9]+"


def header(name: str) -> str:
    """The rule of the name of a header that a probe sends."""
    if re.fullmatch(_HEADER, name):
        return ""
    return (
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
        f"regex used for validation is '{_HEADER}')"
    )


_KEY_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_key_name = re.compile(_KEY_NAME)


def label_key(key: str) -> str:
    """The rule of the key of a label or an annotation, of finalizers and conditions."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (detail := subdomain(prefix)):
        return f"prefix part {detail}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    if _key_name.fullmatch(name):
        return ""
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and "
        "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
        f"used for validation is '{_KEY_NAME}')"
    )


def label_value(value: str) -> str:
    """The rule of a label's value, which may be empty."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    if not value or _key_name.fullmatch(value):
        return ""
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        f"'my_value',  or '12345', regex used for validation is '({_KEY_NAME})?')"
    )


def address(text: str) -> str:
    """The rule of an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return ""


def network(text: str) -> str:
    """The rule of a range of addresses."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        text = ""
    if "/" in text:
        return ""
    return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def descending(path: str) -> str:
    """The rule of a path that must stay below a directory."""
    if path.startswith("/"):
        return "must be a relative path"
    return "must not contain '..'" if ".." in path.split("/") else ""
