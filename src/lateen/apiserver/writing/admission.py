"""The admission seam: pure functions asked before a write is stored."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.fieldcauses import Cause
from lateen.base.jsonvalue import Json
from lateen.model.schema.kindinfo import KindInfo


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One write. `verb` is create, update or delete; `namespace` the Namespace object or None;
    `object` is a private copy on create and update (None on delete)."""

    verb: str
    info: KindInfo
    namespace: Json | None
    object: Json | None
    old: Json | None
    user: auth.User
    subresource: str = ""
    dry_run: bool = False
    manager: str = ""
    """The field manager that a creating client names itself."""


class Verdict(msgspec.Struct, frozen=True):
    """A validator's answer. `denied` refuses with 403 (a policy may give another `reason`), or by a
    `webhook`, whose name it is, as the API server words what a webhook refused; `causes` say which
    fields led to it."""

    denied: str = ""
    webhook: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""


Mutator = Callable[[Review], Json]
"""Returns the object to store (it may be the one given, or a changed copy)."""

Validator = Callable[[Review], Verdict]


class Chain(msgspec.Struct, frozen=True):
    """Mutating functions in order, then validating ones."""

    mutators: Sequence[Mutator] = msgspec.field(default_factory=tuple)
    validators: Sequence[Validator] = msgspec.field(default_factory=tuple)

    def mutate(self, review: Review) -> Json:
        """Run the mutators, each on what the one before returned."""
        for mutator in self.mutators:
            review = replace(review, object=mutator(review))
        assert review.object is not None
        return review.object

    def validate(self, review: Review, name: str) -> tuple[str, ...]:
        """Run the validators; return their warnings. Raises ApiError 400 or 403."""
        warnings: list[str] = []
        for validator in self.validators:
            verdict = validator(review)
            if verdict.webhook:
                raise errors.denied_by(verdict.webhook, verdict.denied, verdict.causes)
            if verdict.denied:
                refusal = errors.denied(
                    review.info, name, verdict.denied, verdict.causes, verdict.warnings
                )
                raise errors.because(refusal, verdict.reason) if verdict.reason else refusal
            warnings.extend(verdict.warnings)
        return tuple(warnings)
