"""`lateen capture`: what travels on a pod's wire and inside it, as lines or as a pcapng file."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from lateen.app.lab import lab as labs
from lateen.app.lab.paths import LabPaths
from lateen.base.clock import SystemClock
from lateen.cli import exits
from lateen.cli.connection import answers, api as lab_api
from lateen.cli.screen import spans
from lateen.cli.terminal import screen
from lateen.cli.traffic import sources
from lateen.cli.traffic.capturefile import CaptureFile, keylog_readers
from lateen.cli.traffic.sources import RunningPod, Source
from lateen.model.labapi import contract
from lateen.model.labapi.traffic import Flow, KeptOpenings
from lateen.observe.ends import Places
from lateen.observe.packets import flowlines
from lateen.observe.packets.flowfilter import Condition, FlowFilter, Subject
from lateen.observe.packets.flows import Narrator
from lateen.observe.wire import frames
from lateen.observe.wire.streams import CAPTURING

_MOST_PORTS = 32
"""What the kernel's filter program has room for."""
_COLOURS = {"mtls": "green", "tls": "cyan", "none": "yellow"}


class CaptureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to capture and how to show it."""

    targets: Sequence[str] = ()
    namespace: str = ""
    conditions: Sequence[Condition] = ()
    file: str = ""
    follow: bool = False
    count: int = 0
    since: str = ""
    seconds: float = 0.0
    keys: bool = False
    output: str = ""
    show_secrets: bool = False
    ring: int = 64


def capture(lab: str, options: CaptureOptions) -> int:
    """The command."""
    try:
        chosen = FlowFilter(options.conditions)
        _check(options, chosen)
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    running = labs.require(lab)
    api = lab_api.Api.of(running)
    items = api.request("GET", "/api/v1/pods").body["items"]
    places = Places(items, api.request("GET", "/api/v1/services").body["items"])
    pods = sources.chosen(items, options.targets, options.namespace)
    if not pods:
        where = f" in {options.namespace}" if options.namespace else ""
        exits.complain(f"no running pod{where} has a proxy: name one, POD or deploy/NAME")
        return exits.FAILED
    kept = answers.converted(api.ask(contract.CAPTURE), KeptOpenings)
    printer = Printer(options, chosen, places)
    if options.since:
        since = SystemClock().now().timestamp() - spans.seconds(options.since)
        printer.earlier([f for f in kept.flows if f.time >= since], {pod.name for pod in pods})
        if kept.dropped:
            exits.complain(
                f"{kept.dropped} packets of openings were lost since the lab began: what is said "
                "to be without TLS may not be"
            )
        if not options.follow:
            return exits.OK
    ports = sorted(chosen.ports)
    if ports and not options.file:
        # Captured connections are sent there; their answers come from the port that was meant.
        ports += sorted({end.port for end in CAPTURING} - chosen.ports)
    source = Source(running.paths.shim_socket, pods, ports, options.ring << 20)
    try:
        if options.file:
            return _to_file(options, chosen, source, pods, running.paths)
        return _to_lines(options, source, pods, kept, printer)
    finally:
        source.close()


def _check(options: CaptureOptions, chosen: FlowFilter) -> None:
    """Raise ValueError, with what to do, for what does not go together."""
    if options.output not in ("", "json"):
        raise ValueError(f"-o {options.output}: use json, or leave it out")
    if options.keys and not options.file:
        raise ValueError("--keys goes into a file: name one with -w FILE.pcapng")
    if options.file and chosen.lines_only:
        raise ValueError(
            f"--{chosen.lines_only[0]} tells lines apart, a file holds packets: with -w use --port "
            "and --leg, and filter when you read it"
        )
    if options.file and options.since:
        raise ValueError("--since shows lines: a file begins when it is made")
    if len(chosen.ports) > _MOST_PORTS:
        raise ValueError(f"--port: {_MOST_PORTS} of them at most")
    if options.follow and not options.since:
        raise ValueError("-f goes on after --since: without --since a capture goes on anyway")
    if options.since:
        spans.seconds(options.since)


class Printer:
    """Writes flows to standard output, as lines or JSON, and counts them."""

    def __init__(self, options: CaptureOptions, chosen: FlowFilter, places: Places) -> None:
        self._options, self._filter, self._places = options, chosen, places
        self._names = places.names
        self.shown = 0

    def _wanted(self, flow: Flow) -> bool:
        client, server = (
            self._places.named(flowlines.place(flow, end, self._names))
            for end in (flow.client, flow.server)
        )
        ports = {int(end.rpartition(":")[2]) for end in (flow.client, flow.server)}
        subject = Subject(
            source=client,
            target=server,
            tls=flow.tls,
            status=flow.status,
            ports=frozenset(ports),
            leg=flow.leg,
        )
        return self._filter.keeps(subject)

    def show(self, flow: Flow) -> None:
        """Print a flow that passes the filters."""
        if self._wanted(flow):
            self._print(flow)

    def _print(self, flow: Flow) -> None:
        self.shown += 1
        if self._options.output == "json":
            told = msgspec.to_builtins(flow)
            told |= {"text": flow.text, "from": flowlines.place(flow, flow.client, self._names)}
            told["to"] = flowlines.place(flow, flow.server, self._names)
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
            return
        clock = datetime.fromtimestamp(flow.time, UTC).astimezone().strftime("%H:%M:%S.%f")
        text = screen.visible(flowlines.line(flow, self._names, clock))
        word = f" {flow.tls:<4} "
        sys.stdout.write(text.replace(word, screen.paint(word, _COLOURS[flow.tls]), 1) + "\n")

    def earlier(self, flows: Sequence[Flow], pods: set[str]) -> None:
        """Print what is known of earlier connections, once each, newest `count` of them."""
        told: dict[tuple[str, str], Flow] = {}
        for flow in flows:
            if flow.pod in pods and self._wanted(flow):
                told.setdefault((flow.client, flow.server), flow)
        for flow in list(told.values())[-self._options.count :]:
            self._print(flow)
        sys.stdout.flush()

    @property
    def done(self) -> bool:
        """Whether as many lines were printed as were asked for."""
        return bool(self._options.count) and self.shown >= self._options.count


def _to_lines(
    options: CaptureOptions,
    source: Source,
    pods: Sequence[RunningPod],
    kept: KeptOpenings,
    printer: Printer,
) -> int:
    told = [flow for flow in kept.flows if flow.detail != flowlines.BEGAN_PLAIN]
    older = {(flow.client, ""): flow for flow in told if flow.leg == "app"}
    older |= {(flow.client, flow.server): flow for flow in told}
    addresses = frozenset(pod.ip for pod in pods)
    narrators = {
        pod.name: Narrator(
            pod.name,
            pod.ip,
            others=addresses,
            known=lambda client, server: older.get((client, server)),
            secrets=options.show_secrets,
        )
        for pod in pods
    }
    packets = 0
    with source.until_interrupted():
        exits.complain(f"capturing {len(pods)} pods; Ctrl-C ends it")
        for batch in source.frames(_until(options)):
            packets += len(batch)
            for pod, frame in batch:
                segment = frames.segment(frame.data, frame.time / 1e9)
                if segment is None:
                    continue
                for flow in narrators[pod].take(segment, frame.leg):
                    printer.show(flow)
                    if printer.done:
                        return _ended(source, packets)
            if batch:
                sys.stdout.flush()
    return _ended(source, packets)


def _to_file(
    options: CaptureOptions,
    chosen: FlowFilter,
    source: Source,
    pods: Sequence[RunningPod],
    paths: LabPaths,
) -> int:
    legs = [device for device, leg in flowlines.LEGS.items() if leg in (chosen.legs or {leg})]
    keys = keylog_readers([paths.key_log(pod.uid) for pod in pods]) if options.keys else []
    with CaptureFile(options.file, [pod.name for pod in pods], legs, keys) as file:
        with source.until_interrupted():
            exits.complain(f"capturing {len(pods)} pods to {options.file}; Ctrl-C ends it")
            for batch in source.frames(_until(options)):
                if file.write(batch, options.count):
                    break
        lost = source.lost()
        file.finish(lost)
        exits.complain(
            f"{file.packets} packets written to {options.file}, {sum(lost.values())} lost"
        )
    return exits.OK


def _until(options: CaptureOptions) -> float | None:
    return time.monotonic() + options.seconds if options.seconds else None


def _ended(source: Source, packets: int) -> int:
    sys.stdout.flush()
    lost = sum(source.lost().values())
    exits.complain(f"{packets} packets seen, {lost} lost")
    return exits.OK
