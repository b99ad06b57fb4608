"""`/lateen/v1/explain`: what a request would do in the lab as it is now."""

from collections.abc import Mapping, Sequence

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.app.foresight import state, telling
from lateen.app.foresight.questions import ExplainBody
from lateen.app.lab import meshsettings
from lateen.app.mesh.pipeline import Pipeline, Round
from lateen.base.clock import Clock
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.client import ApiError


class Explaining:
    """Answers from the newest compiled state, which is read once for all that ask."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: MeshSettings,
        images: Mapping[str, Sequence[str]],
        clock: Clock,
    ) -> None:
        self._pipeline, self._settings, self._clock = pipeline, settings, clock
        self._images = images
        self._known: tuple[Round, state.Foresight] | None = None

    async def serve(self, call: exchange.Call, _names: Names) -> exchange.Response:
        """Answer a call. Raises ApiError 400 for a request that cannot be asked."""
        asked = routes.decoded(call, ExplainBody)
        foresight = self._current()
        try:
            found = foresight.predict(asked.request())
        except state.AskedError as error:
            raise ApiError(400, "BadRequest", str(error)) from error
        return routes.answer(telling.document(found, foresight.snapshot.locate))

    def _current(self) -> state.Foresight:
        current = self._pipeline.current
        if self._known is None or self._known[0] is not current:
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
            self._known = (current, made)
        return self._known[1]
