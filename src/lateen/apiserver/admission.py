"""The admission seam: pure functions asked before a write is stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lateen.apiserver import auth, errors
from lateen.apiserver.strategy.base import Cause
from lateen.model import kinds

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One write. `verb` is create, update or delete; `namespace` the Namespace object or None;
    `object` is a private copy on create and update (None on delete)."""

    verb: str
    info: kinds.KindInfo
    namespace: Json | None
    object: Json | None
    old: Json | None
    user: auth.User
    subresource: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A validator's answer. `denied` refuses with 403; `causes` with 422."""

    denied: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()


Mutator = Callable[[Review], Json]
"""Returns the object to store (it may be the one given, or a changed copy)."""

Validator = Callable[[Review], Verdict]


@dataclass(frozen=True, slots=True)
class Chain:
    """Mutating functions in order, then validating ones."""

    mutators: Sequence[Mutator] = field(default_factory=tuple)
    validators: Sequence[Validator] = field(default_factory=tuple)

    def mutate(self, review: Review) -> Json:
        """Run the mutators, each on what the one before returned."""
        for mutator in self.mutators:
            review = replace(review, object=mutator(review))
        assert review.object is not None
        return review.object

    def validate(self, review: Review, name: str) -> tuple[str, ...]:
        """Run the validators; return their warnings. Raises ApiError 403 or 422."""
        warnings: list[str] = []
        causes: list[Cause] = []
        for validator in self.validators:
            verdict = validator(review)
            if verdict.denied:
                raise errors.forbidden(review.info, name, verdict.denied, verdict.causes)
            causes.extend(verdict.causes)
            warnings.extend(verdict.warnings)
        if causes:
            raise errors.invalid(review.info, name, causes)
        return tuple(warnings)
