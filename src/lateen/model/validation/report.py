"""What validation finds. Pure."""

import json
from collections.abc import Iterable
from typing import Literal

import msgspec

Reason = Literal[
    "FieldValueInvalid",
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueDuplicate",
    "FieldValueNotFound",
    "FieldValueForbidden",
    "FieldValueTooLong",
]


class Finding(msgspec.Struct, frozen=True):
    """One finding at a field; `reason` is Kubernetes' word for the cause in a Status."""

    path: str
    message: str
    reason: Reason = "FieldValueInvalid"
    code: str = ""
    """Istio's number where it has one of its own: IST0130, IST0131."""
    arguments: tuple[tuple[str, str], ...] = ()
    """What that message is filled with."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Validation(msgspec.Struct, frozen=True):
    """With errors, the object is refused; warnings are passed on to the user."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether the object may be stored."""
        return not self.errors


class Report(msgspec.Struct):
    """Collects findings while one object is looked at."""

    errors: list[Finding] = msgspec.field(default_factory=list)
    warnings: list[Finding] = msgspec.field(default_factory=list)

    def error(self, path: str, message: str, reason: Reason = "FieldValueInvalid") -> None:
        """Add an error."""
        self.errors.append(Finding(path, message, reason))

    def check(self, path: str, problem: str) -> None:
        """Add an error unless `problem` is empty."""
        if problem:
            self.error(path, problem)

    def warn(self, path: str, message: str, code: str = "", **arguments: str) -> None:
        """Add a warning; `arguments` fill the catalogue's message of `code`."""
        filled = tuple(sorted(arguments.items()))
        self.warnings.append(Finding(path, message, code=code, arguments=filled))

    def required(self, path: str, detail: str = "") -> None:
        """Say that a field must be set, in Kubernetes' words."""
        message = f"Required value: {detail}" if detail else "Required value"
        self.error(path, message, "FieldValueRequired")

    def invalid(self, path: str, value: object, detail: str) -> None:
        """Say what is wrong with a value, in Kubernetes' words."""
        shown = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        self.error(path, f"Invalid value: {shown}: {detail}")

    def rule(self, path: str, value: str, detail: str) -> None:
        """Say what a rule of `names` found, if it found anything."""
        if detail:
            self.invalid(path, value, detail)

    def forbidden(self, path: str, detail: str) -> None:
        """Say why a field may not be set, in Kubernetes' words."""
        self.error(path, f"Forbidden: {detail}", "FieldValueForbidden")

    def unsupported(self, path: str, value: str, allowed: Iterable[str]) -> None:
        """Say that a value is none of those there are, in Kubernetes' words."""
        listed = ", ".join(f'"{one}"' for one in sorted(allowed))
        message = f'Unsupported value: "{value}": supported values: {listed}'
        self.error(path, message, "FieldValueNotSupported")

    def duplicate(self, path: str, value: object) -> None:
        """Say that a value is there twice, in Kubernetes' words."""
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        self.error(path, f"Duplicate value: {shown}", "FieldValueDuplicate")

    def result(self) -> Validation:
        """Return what was found."""
        return Validation(tuple(self.errors), tuple(self.warnings))
