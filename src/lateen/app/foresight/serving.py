"""Serving what a request would do in the lab as it is now."""

from collections.abc import Mapping, Sequence

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.app.foresight import remedies, state
from lateen.app.foresight.grounds import LabGround
from lateen.app.lab import meshsettings
from lateen.app.mesh.pipeline import Pipeline, Round
from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.causes.advice import Advice
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.client import ApiError
from lateen.model.labapi.explain import ExplainRequest


class _Known(msgspec.Struct, frozen=True):
    """What is read once of a compiled state, for all that ask."""

    round: Round
    foresight: state.Foresight
    ground: LabGround


class Explaining:
    """Answers from the newest compiled state."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: MeshSettings,
        images: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        injected: bool = True,
    ) -> None:
        """`injected`: whether a namespace without a label gets sidecars."""
        self._pipeline, self._settings, self._clock = pipeline, settings, clock
        self._images, self._injected = images, injected
        self._known: _Known | None = None

    async def serve(self, call: exchange.Call, _names: Names) -> exchange.Response:
        """Answer a call. Raises ApiError 400 for a request that cannot be asked."""
        asked = routes.decoded(call, ExplainRequest)
        try:
            told = await self._pipeline.beside(lambda newest: self._explained(newest, asked))
        except state.AskedError as error:
            raise ApiError(400, "BadRequest", str(error)) from error
        return routes.answer(told)

    def _explained(self, newest: Round, request: ExplainRequest) -> Json:
        known = self._of(newest)
        ground = known.ground if request.remedies else None
        locate = known.foresight.snapshot.locate
        return remedies.explained(known.foresight, request, ground, locate)

    async def proved(self, request: ExplainRequest, code: str, proposed: Advice) -> Advice:
        """Return the advice for a failure that was seen: its remedies were tried. Where the failure
        cannot be foretold (load, time, what nobody knows), nothing can be tried: then what may
        help is a hint."""
        if not proposed.remedies:
            return proposed
        return await self._pipeline.beside(
            lambda newest: _proved(self._of(newest), request, code, proposed)
        )

    def _of(self, current: Round) -> _Known:
        if self._known is None or self._known.round is not current:
            if current.mesh is None:
                raise ApiError(503, "ServiceUnavailable", "nothing is compiled yet: ask again")
            made = state.Foresight(
                current.snapshot,
                current.mesh,
                self._settings,
                self._images,
                system_roots=meshsettings.system_roots(),
                now=self._clock.now,
            )
            ground = LabGround(made, self._settings, self._injected)
            self._known = _Known(current, made, ground)
        return self._known


def _proved(known: _Known, request: ExplainRequest, code: str, proposed: Advice) -> Advice:
    try:
        failure = remedies.first_failure(known.foresight.predict(request))
    except state.AskedError:
        failure = None
    if failure is None or failure.code != code:
        known_to_help = (each for each in proposed.remedies if not each.guess)
        untried = (f"{each.words} (not tried)" for each in known_to_help)
        return Advice((), (*untried, *proposed.hints))
    listed = remedies.with_foreknowledge(known.foresight, request, failure, proposed)
    mended = remedies.tried(known.ground, request, listed)
    return Advice(tuple(each.remedy for each in mended), proposed.hints)
