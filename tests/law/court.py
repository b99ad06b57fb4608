"""A lab in which predictions are held against what requests do."""

import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from lateen.app.lab import lab as labs
from lateen.cli.connection import api as lab_api
from lateen.model.client import ApiError
from tests.e2e import credentials
from tests.law import flows, foretold, hindered, meshes, replay, seldom

Json = dict[str, Any]
BASE = Path(__file__).parent / "base.yaml"
AT_ONCE = 3
"""How many requests are on their way at once: most of the time is waiting for what proxies log."""
_AGAIN = 6
"""How often a request that differs is sent again: connections that are open keep their rules."""


@dataclass
class Flow:
    """One request that did not do what was foretold."""

    seed: str
    istio: str
    objects: list[Json]
    request: Json
    answer: Json
    told: Json
    differences: list[foretold.Difference]

    def short(self) -> Json:
        return {
            "seed": self.seed,
            "request": self.request,
            "differences": [[name, str(was), str(said)] for name, was, said in self.differences],
        }

    def whole(self) -> Json:
        return {
            **self.short(),
            "istio": self.istio,
            "objects": self.objects,
            "answer": self.answer,
            "told": self.told,
        }


@dataclass
class Tally:
    """What was seen."""

    flows: int = 0
    unknown: int = 0
    scripted: int = 0
    """Unknown, and rightly so: a script was met."""
    branched: int = 0
    refused: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    differing: list[Flow] = field(default_factory=list)
    every: list[Json] = field(default_factory=list)
    """All flows, as much of them as tests need."""

    def add(self, other: "Tally") -> None:
        self.flows += other.flows
        self.unknown += other.unknown
        self.scripted += other.scripted
        self.branched += other.branched
        self.refused += other.refused
        self.codes += other.codes
        self.differing += other.differing
        self.every += other.every

    def line(self) -> str:
        codes = ", ".join(f"{code} {n}" for code, n in self.codes.most_common())
        return (
            f"{self.flows} flows, {len(self.differing)} differ, {self.unknown} unknown "
            f"(and {self.scripted} that met a script), "
            f"{self.branched} with branches ({codes})"
        )


class Court:
    """A lab of its own; ends with the block."""

    def __init__(self, name: str, istio: str) -> None:
        self.name, self.istio = name, istio

    def __enter__(self) -> "Court":
        done = self._lateen("up", str(BASE), "--istio", self.istio)
        assert done.returncode == 0, done.stderr
        assert self._lateen("apply", "-f", "-", stdin=credentials.every()).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        self._lateen("down")

    def _lateen(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "lateen.cli.entry", *words, "--lab", self.name]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)

    def try_mesh(self, seed: str, count: int) -> Tally:
        """Apply the mesh of a seed, try its requests, and take it away."""
        random = Random(seed)
        themes = seldom.of_mesh(random)
        objects = meshes.mesh(random, themes)
        text = meshes.text(objects)
        if objects:
            done = self._lateen("apply", "-f", "-", stdin=text)
            if done.returncode:
                objects = []
                print(f"  {seed}: not applied: {done.stderr.strip().splitlines()[:2]}", flush=True)
        asked = [(f"{seed}/{number}", flows.flow(random, themes)) for number in range(count)]
        tally = Tally()
        try:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                every = list(threads.map(lambda one: self._try_flow(objects, *one), asked))
            for one, (found, _) in zip(asked, every, strict=True):
                # What is on its way at once to one address can be taken for one another where a
                # handshake failed: no log has the client's port then. Alone it cannot.
                alone = self._try_flow(objects, *one)[0] if found.differing else found
                tally.add(alone)
        finally:
            if objects:
                self._lateen("delete", "-f", "-", "--ignore-not-found", stdin=text)
        return tally

    def try_again(self, flow: Json) -> tuple[Tally, Json | None]:
        """Apply the mesh of a flow, and send its request; return what it did, too."""
        text = meshes.text(flow["objects"])
        if flow["objects"]:
            done = self._lateen("apply", "-f", "-", stdin=text)
            if done.returncode:
                print(f"  {flow['seed']}: not applied any more: {done.stderr.strip()}", flush=True)
                return Tally(), None
        try:
            return self._try_flow(flow["objects"], flow["seed"], flow["request"])
        finally:
            if flow["objects"]:
                self._lateen("delete", "-f", "-", "--ignore-not-found", stdin=text)

    @contextlib.contextmanager
    def holding(self, objects: list[Json]) -> Iterator[bool]:
        """Apply objects while the block runs; say whether the lab took them."""
        text = meshes.text(objects)
        done = self._lateen("apply", "-f", "-", stdin=text) if objects else None
        try:
            yield done is None or done.returncode == 0
        finally:
            if objects:
                self._lateen("delete", "-f", "-", "--ignore-not-found", stdin=text)

    def sent(self, request: Json) -> Json:
        """Send a request, and return its story. Raises ApiError."""
        api = lab_api.Api.of(labs.require(self.name))
        answer: Json = api.request("POST", "/lateen/v1/request", body=request).body
        return answer

    def ask(self, request: Json) -> tuple[Json, Json]:
        """Return what is foretold of a request, and what it did."""
        asked = {**request, "remedies": False}
        api = lab_api.Api.of(labs.require(self.name))
        told: Json = api.request("POST", "/lateen/v1/explain", body=asked).body
        return told, self.sent(asked)

    def _try_flow(self, objects: list[Json], seed: str, request: Json) -> tuple[Tally, Json | None]:
        """Return what is to be counted of a flow, and what the request did."""
        tally = Tally()
        try:
            for attempt in range(_AGAIN):
                told, answer = self.ask(request)
                found = judge(answer, told)
                if not found:
                    break
                time.sleep(0.1 * (attempt + 1))
        except ApiError as error:
            if error.code not in (400, 404):
                raise
            tally.refused += 1
            return tally, None
        tally.flows += 1
        tally.codes[answer["verdict"]["code"]] += 1
        unknown = any(each["outcome"]["unknown"] for each in told["branches"])
        if unknown and hindered.scripted(objects):
            tally.scripted += 1  # rightly: nobody can say what a script does
            return tally, answer
        tally.unknown += unknown
        tally.branched += len(told["branches"]) > 1
        kept = Flow(seed, self.istio, objects, request, answer, told, found)
        tally.every.append(replay.reduced(kept.whole()))
        if found:
            tally.differing.append(kept)
        return tally, answer


def judge(answer: Json, told: Json) -> list[foretold.Difference]:
    """Return how an answer differs from the branch that is nearest to it."""
    every = [foretold.differences(answer, each["outcome"]) for each in told["branches"]]
    return min(every, key=len)
