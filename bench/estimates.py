"""How far our counts are off where a provider reports none. ``python -m bench.estimates``; needs no network.

Over the recorded exchanges (``make recordings``; without them over the few in ``tests/recordings``): what is
charged for input and output by estimate, and what is reserved for input, each divided by what the provider
reported. Streams that report nothing are held against their number of text deltas instead, of which OpenAI's
API sends about one a token; how good a measure that is, is printed beside it.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from policy.exchange import Shape
from policy.inspection import Malformed, inspect, operation_of
from policy.usage import BYTES_PER_TOKEN, Meter
from tests.standins import cassettes
from tests.standins.machines import ROOT
from tests.standins.recordings import FOLDER, Recording

RESULTS = Path(__file__).parent / "results"
RECORDINGS = ROOT / ".recordings"
METERED = frozenset({Shape.OPENAI_CHAT, Shape.OPENAI_RESPONSES, Shape.ANTHROPIC_MESSAGES, Shape.GEMINI})


@dataclass(frozen=True)
class Sample:
    """One exchange: counts of ours, and the provider's or what stands in for it."""

    what: str
    ours: int
    theirs: int


@dataclass(frozen=True)
class Distribution:
    """Ours divided by theirs: 1 is exact, more is charged or held too much, less too little."""

    what: str
    exchanges: int
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    below: float


def main() -> None:
    """Measure, print a line for each kind of count and family, and keep the figures."""
    samples = defaultdict(list)
    for recording in _recordings():
        for sample in _samples(recording):
            samples[sample.what].append(sample.ours / sample.theirs)
    found = [_distribution(what, ratios) for what, ratios in sorted(samples.items())]
    heads = ("5 %", "25 %", "median", "75 %", "95 %")
    print(f"{'ours : theirs':<58}{'n':>5}" + "".join(f"{head:>8}" for head in heads) + f"{'below':>8}")
    for each in found:
        figures = (each.p5, each.p25, each.median, each.p75, each.p95)
        cells = "".join(f"{figure:>8.2f}" for figure in figures)
        print(f"{each.what:<58}{each.exchanges:>5}{cells}{each.below:>7.0%}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "estimates.json").write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")


def _recordings() -> Iterable[Recording]:
    if RECORDINGS.is_dir():
        return cassettes.every(RECORDINGS)
    paths = sorted(FOLDER.glob("*.json"))
    return [Recording.from_json(path.stem, json.loads(path.read_text())) for path in paths]


def _samples(recording: Recording) -> Iterator[Sample]:
    shape, operation, model = operation_of(recording.path.split("?")[0], recording.method)
    if recording.status != 200 or shape not in METERED or not recording.request:
        return
    try:
        call = inspect(shape, operation, model, json.dumps(recording.request).encode())
    except Malformed:
        return
    content_type = dict(recording.headers).get("content-type", "")
    meter = Meter(shape, provider=recording.provider, operation=operation, content_type=content_type)
    meter.feed(recording.plain)
    meter.finish()
    usage = meter.usage(call)
    estimated, deltas, family = meter.estimated_output, _deltas(recording), shape.value
    if usage.estimated:
        if deltas and recording.streams:
            yield Sample(f"output, {family} streams without usage: estimate : deltas", estimated, deltas)
        return
    if usage.input_tokens:
        charged = -(-call.input_tokens_ceiling // BYTES_PER_TOKEN[shape])
        yield Sample(f"input, {family}: estimate : reported", charged, usage.input_tokens)
        yield Sample(f"input, {family}: reserved : reported", call.input_tokens_ceiling, usage.input_tokens)
    # Of Responses the hidden reasoning is estimated too; elsewhere nothing of it is told.
    whole = shape is Shape.OPENAI_RESPONSES
    visible = usage.output_tokens - (0 if whole else usage.reasoning_tokens)
    if visible > 0 and call.operation != "embeddings":
        yield Sample(f"output, {family}: estimate : reported", estimated, visible)
        if recording.streams and deltas:
            yield Sample(f"output, {family} streams: deltas : reported", deltas, visible)


def _deltas(recording: Recording) -> int:
    """Events of a chat stream that bring text or part of a tool call, counted without the code under test."""
    if not recording.streams:
        return 0
    count = 0
    for line in recording.plain.decode().splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices") or ():
                delta = choice.get("delta") or {}
                count += bool(delta.get("content") or delta.get("tool_calls") or choice.get("text"))
    return count


def _distribution(what: str, ratios: list[float]) -> Distribution:
    cuts = statistics.quantiles(ratios, n=20, method="inclusive") if len(ratios) > 1 else ratios * 19
    below = sum(ratio < 1 for ratio in ratios) / len(ratios)
    return Distribution(what, len(ratios), cuts[0], cuts[4], cuts[9], cuts[14], cuts[18], below)


if __name__ == "__main__":
    main()
