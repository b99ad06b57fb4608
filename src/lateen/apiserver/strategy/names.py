"""Name rules of objects: RFC 1123 subdomains and labels, RFC 1035 labels. Pure.

A rule returns what is wrong with a name, in the words clients know, or an empty string.
"""

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
