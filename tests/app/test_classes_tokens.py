"""Classes of requests by what their tokens say, against tokens that are really signed."""

import itertools
from random import Random

import msgspec
import pytest
import yaml

from lateen.app.foresight import offline
from lateen.app.foresight.classes import posture, requests
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.predict.classes.regions import Regions, Witness
from lateen.predict.spaces import cells, effects
from lateen.predict.spaces.explore import RequestClass, Vantage
from lateen.predict.values.request import Http
from lateen.predict.values.trail import Literal
from lateen.predict.walk import way
from tests.law import tokens
from tests.law.objects import made

RULES = [
    made(
        "RequestAuthentication",
        "seen",
        "default",
        {
            "jwtRules": [
                {"issuer": "issuer-a", "jwks": tokens.key_set("issuer-a"), "audiences": ["web"]},
                {"issuer": "issuer-b", "jwks": tokens.key_set("issuer-b")},
            ]
        },
    ),
    made(
        "AuthorizationPolicy",
        "admin",
        "default",
        {
            "rules": [
                {
                    "to": [{"operation": {"paths": ["/a*"]}}],
                    "from": [{"source": {"requestPrincipals": ["issuer-a/*"]}}],
                    "when": [{"key": "request.auth.claims[groups]", "values": ["admin"]}],
                },
                {
                    "to": [{"operation": {"methods": ["POST"]}}],
                    "from": [{"source": {"requestPrincipals": ["*/bob"]}}],
                },
            ]
        },
    ),
]
BASE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
"""


@pytest.fixture(scope="module")
def state() -> tuple[Vantage, tuple[RequestClass, ...]]:
    bodies: list[Json] = [*yaml.safe_load_all(BASE), *RULES]
    items = [
        offline.Item({**b, "metadata": {"namespace": "default", **b["metadata"]}}) for b in bodies
    ]
    rehearsed = Rehearsal(items, LabSettings(lab="files", istio="1.32", user=0))
    standing = CompiledState(offline.foresight(rehearsed, {}), rehearsed.locate)
    asked = posture.PostureFilter(to="default/web")
    cell = next(posture.found(standing, asked, Regions()))
    assert cell.space.open == ()
    return standing.state(cell.clients[0], cell.target), cell.space.classes


def holds(one: RequestClass, method: str, path: str, claims: dict[str, str]) -> bool:
    """Whether a request is of a class, asked of the request itself."""
    return all(answer(note, method, path, claims) == note.answer for note in one.notes)


def answer(note: Literal, method: str, path: str, claims: dict[str, str]) -> bool:
    kind, _, name = note.field.partition(" ")
    value = {"method": method, "path": path}.get(kind, claims.get(name))
    if note.test.kind == "present" or value is None:
        return value is not None
    return cells.passes(note.test, value)


def real(state: Vantage, witness: Witness, claims: dict[str, str]) -> set[str]:
    """Return the codes of a request with a token that is signed."""
    http = state.asked.content
    assert isinstance(http, Http)
    plain = msgspec.structs.replace(witness, fields=()).applied(http)
    header = (("authorization", f"Bearer {tokens.good(claims)}"),) if claims else ()
    content = msgspec.structs.replace(plain, headers=(*plain.headers, *header), now=2e9)
    found = way.predict(state.world, msgspec.structs.replace(state.asked, content=content))
    return {branch.outcome.code for branch in found.branches}


def codes(one: RequestClass) -> set[str]:
    return {course.code for course in one.effect.ways}


def test_a_witness_fares_as_its_class(
    state: tuple[Vantage, tuple[RequestClass, ...]],
) -> None:
    place, classes = state
    assert any(effects.REACHED & codes(each) for each in classes)
    for each in classes:
        assert real(place, each.witness, each.witness.claims or {}) == codes(each), each.notes


def test_every_token_is_of_one_class(state: tuple[Vantage, tuple[RequestClass, ...]]) -> None:
    place, classes = state
    every = itertools.product(
        (None, "issuer-a", "issuer-b", "nobody"),
        (None, "web", "other"),
        (None, "bob", "eve"),
        (None, "admin", "dev"),
        ("GET", "POST"),
        ("/a", "/x"),
    )
    for iss, aud, sub, groups, method, path in Random(7).sample(list(every), 60):
        given = {"iss": iss, "aud": aud, "sub": sub, "groups": groups}
        claims = {name: value for name, value in given.items() if value} if iss else {}
        mine = [each for each in classes if holds(each, method, path, claims)]
        assert len(mine) == 1, (given, method, path)
        witness = Witness(path=path, method=method)
        assert real(place, witness, claims) == codes(mine[0]), (given, method, path)


def test_a_token_is_shown_as_a_command(state: tuple[Vantage, tuple[RequestClass, ...]]) -> None:
    witness = Witness(fields=(("claim groups", "admin"), ("claim iss", "issuer-a")))
    client, target = (
        cells.Client(name="c", origin="deploy/c"),
        cells.Target(name="t", url="http://t/"),
    )
    words = requests.options(client, target, witness)
    assert '--jwt "$(lateen token --claim groups=admin --iss issuer-a)"' in words
    assert requests.document(witness)["claims"] == {"groups": "admin", "iss": "issuer-a"}
