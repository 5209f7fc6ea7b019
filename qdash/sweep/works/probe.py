"""A first look at model and data: what was loaded, a few samples, the FP32 metric. No quantization."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from qdash.records.facts import FirstValue, Pixels, Preview, PreviewSample, as_stored
from qdash.records.scores import Facts, Progress, Record
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source
from qdash.sweep.prepare.facts import facts_of
from qdash.sweep.prepare.prepare import Prepared, prepare
from qdash.sweep.works.cost import CostMeter
from qdash.tensors.trees import tensors

_SAMPLES = 256
_SHOWN = 8
_LARGEST_SIDE = 64  # pixels of a preview; larger images are thinned


class ProbeWork:
    """Done in one step."""

    def __init__(self, spec: str, artifacts: str):
        self.spec = Source.model_validate_json(spec)
        self._artifacts = Path(artifacts)

    def advance(self, position: str | None, should_stop: Callable[[], bool]) -> Iterator[Record]:
        """See `executors.base.Work`."""
        spending = CostMeter()
        with ExitStack() as stack:
            prepared = prepare(stack, self.spec, [Setting(mode="weight_only")], "*", self._artifacts)
            value, seconds = self._baseline(prepared)
            found = replace(facts_of(prepared), baseline=value, seconds_per_sample=seconds, preview=_preview(prepared))
            yield Facts(as_stored(found))
            yield Progress(None, 1.0, 1.0, spent=spending.since_last(prepared.instrument.executed_macs))

    def close(self) -> None:
        """Nothing stays open."""

    def _baseline(self, prepared: Prepared) -> tuple[FirstValue, float]:
        """And the seconds that a sample took."""
        workload, reader = prepared.workload, prepared.bench.reader
        indices = workload.evaluation_indices[:_SAMPLES]
        outcomes, began = [], time.perf_counter()
        for batch in workload.batches(workload.evaluation, indices, self.spec.batch_size):
            output = reader.read(prepared.instrument.run(batch.args, batch.kwargs))
            outcomes.append(reader.outcomes(output, output, batch.target).cpu())
        seconds = time.perf_counter() - began
        value = float(torch.cat(outcomes).mean()) * reader.metric.factor
        return FirstValue(reader.metric.name, value, len(indices)), seconds / len(indices)


def _preview(prepared: Prepared) -> Preview:
    """A few samples: pictures as rows of 0–255 where the input looks like one, else shapes and ranges."""
    batch = prepared.first
    first = next(tensors([batch.args, batch.kwargs]))
    is_image = first.dim() == 4 and first.shape[1] in (1, 3)
    samples = []
    for index in range(min(_SHOWN, batch.size)):
        x = first[index].detach().cpu()
        text = f"{str(x.dtype)[6:]} {tuple(x.shape)}, from {x.min().item():.3g} to {x.max().item():.3g}"
        label, predicted = _label(batch.target, index), _predicted(prepared, index)
        samples.append(PreviewSample(label, predicted, text, _pixels(x) if is_image else None))
    return Preview("image" if is_image else "values", tuple(samples))


def _pixels(image: Tensor) -> Pixels:
    step = max(1, -(-max(image.shape[1:]) // _LARGEST_SIDE))
    x = image[:, ::step, ::step].float()
    low, high = x.min(), x.max()
    scaled = (255 * (x - low) / (high - low) if high > low else torch.zeros_like(x)).round().int()
    pixels: Pixels = (scaled[0] if len(scaled) == 1 else scaled.permute(1, 2, 0)).tolist()
    return pixels


def _label(target: Tensor | None, index: int) -> int | None:
    return int(target[index]) if target is not None and target.dim() == 1 and not target.is_floating_point() else None


def _predicted(prepared: Prepared, index: int) -> int | None:
    scores = prepared.bench.reference.scores
    return int(scores[index].argmax()) if scores is not None and scores.dim() == 2 else None
