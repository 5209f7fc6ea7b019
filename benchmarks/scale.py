"""Cost and memory of a sweep against layers and samples: `python -m benchmarks.scale`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import materials
from benchmarks.chain import LAYERS_VARIABLE, SAMPLES_VARIABLE
from benchmarks.models import NETWORKS
from benchmarks.printed import printed
from benchmarks.scale_report import Drawn, Sized, figure, report

METHODS = {"exact": "one_at_a_time", "gradient": "gradient"}
LAYERS, SAMPLES = (10, 100, 1000), (100, 1000, 10_000)
FEW_LAYERS, FEW_SAMPLES, BATCH_SIZE = 10, 100, 100
RESULTS = Path(__file__).with_name("scale.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the tables and the figure."""
    given = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measured = [*_chains(Path(folder), given), *_networks(Path(folder), given)]
        drawn = _drawn(Path(folder), max(given.layers)) if given.draw else None
    text = report(measured, drawn)
    given.results.write_text(text, encoding="utf-8")
    figure(measured).write_html(given.results.with_suffix(".html"), include_plotlyjs="cdn")
    sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--layers", type=_sizes, default=LAYERS, metavar="N,…", help=f"at {FEW_SAMPLES} samples")
    parser.add_argument("--samples", type=_sizes, default=SAMPLES, metavar="N,…", help=f"at {FEW_LAYERS} layers")
    parser.add_argument("--networks", type=lambda text: text.split(",") if text else [], default=list(NETWORKS))
    parser.add_argument("--draw", action="store_true", help="also time the largest chain's Layers page in a browser")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE", help="tables; the figure goes beside it"
    )
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _chains(folder: Path, given: argparse.Namespace) -> Iterator[Sized]:
    sizes = [(layers, FEW_SAMPLES) for layers in given.layers] + [(FEW_LAYERS, samples) for samples in given.samples]
    for layers, samples in dict.fromkeys(sizes):
        variables = {LAYERS_VARIABLE: str(layers), SAMPLES_VARIABLE: str(samples)}
        yield from _sized("chain", layers, samples, BATCH_SIZE, "benchmarks.chain", variables, folder)


def _networks(folder: Path, given: argparse.Namespace) -> Iterator[Sized]:
    for name in given.networks:
        network = NETWORKS[name]
        materials.write(folder / name, name, network.images)
        variables = {materials.FOLDER_VARIABLE: str(folder / name)}
        yield from _sized(name, None, network.images, network.batch_size, "benchmarks.materials", variables, folder)


def _sized(
    name: str, layers: int | None, samples: int, size: int, module: str, variables: dict[str, str], folder: Path
) -> Iterator[Sized]:
    """One row per method: the sweep in a fresh home, beside plain inference."""
    plain = printed(["-m", "benchmarks.plain_inference", module, "--batch-size", str(size)], variables)
    for label, method in METHODS.items():
        home = _home(folder, label, layers)
        source = ["--model", f"python:{module}:model", "--data", f"python:{module}:samples", "--device", "cpu"]
        source += ["--calibration-data", f"python:{module}:samples", "--batch-size", str(size), "--observer", "min_max"]
        command = ["-m", "qdash", "sweep", *source, "--method", method, "--json", "-"]
        found = printed(command, variables | {"QDASH_HOME": str(home)})
        row = Sized(name, label, len(found["layers"]), samples, found["cost"], plain)
        sys.stderr.write(f"{row.name}, {row.layers} layers, {samples} samples, {label}: {row.cpu_s:.1f} CPU s\n")
        yield row


def _home(folder: Path, label: str, layers: int | None) -> Path:
    return folder / f"home-{label}-{layers or 'network'}"


def _drawn(folder: Path, layers: int) -> Drawn:
    from benchmarks.drawing import seconds_to_draw

    return Drawn(layers, *seconds_to_draw(_home(folder, "gradient", layers)))


if __name__ == "__main__":
    sys.exit(main())
