"""What is wrong with one field, as Kubernetes words it. Pure."""

import json

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """One entry of `status.details.causes`; the Status message joins `field: message`."""

    reason: str
    """FieldValueInvalid, FieldValueRequired, FieldValueForbidden, FieldValueNotSupported …"""
    message: str
    field: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def invalid(field: str, value: object, detail: str) -> Cause:
    """A value that breaks a rule, in the words Kubernetes uses for it."""
    shown = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", field)


def required(field: str, detail: str = "") -> Cause:
    """A value that is missing."""
    return Cause("FieldValueRequired", f"Required value{': ' + detail if detail else ''}", field)


def forbidden(field: str, detail: str) -> Cause:
    """A value or a change that is not allowed here."""
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def unsupported(field: str, value: object, allowed: tuple[str, ...]) -> Cause:
    """A value outside its enumeration."""
    shown = json.dumps(value, separators=(",", ":"))
    listed = ", ".join(json.dumps(one) for one in sorted(allowed))
    message = f"Unsupported value: {shown}: supported values: {listed}"
    return Cause("FieldValueNotSupported", message, field)
