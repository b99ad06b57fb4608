"""What is noticed, and the filing of inputs, cost no more per Service where there are many."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

from lateen.compiler.frontend import assemble, versions
from lateen.compiler.frontend.diagnostics import status
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import snapshot


def services(count: int) -> snapshot.Snapshot:
    """Return a Pod and so many Services that lead to the same port of it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c"}, {"name": "istio-proxy"}]},
    }
    port = {"name": "http", "port": 80, "targetPort": 8080}
    return snapshot.of_bodies(
        [
            pod,
            *(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": f"s{number}", "namespace": "default"},
                    "spec": {"selector": {"app": "web"}, "ports": [port]},
                }
                for number in range(count)
            ),
        ]
    )


def calls(work: Callable[[], Any]) -> int:
    """Return how many functions were called; time would tell of the machine."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)


def grows_with_the_square(work: Callable[[snapshot.Snapshot], Any]) -> bool:
    few, many = services(100), services(400)
    return calls(lambda: work(many)) > 6 * calls(lambda: work(few))


def test_findings_look_at_each_service_alone() -> None:
    assert not grows_with_the_square(lambda found: status.findings(found, "istio-system"))


def test_services_of_one_selector_are_filed_once() -> None:
    settings = MeshSettings(features=versions.features())
    assert not grows_with_the_square(lambda found: assemble.Frontend(settings).build(found))
