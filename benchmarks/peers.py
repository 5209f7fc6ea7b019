"""qdash beside its peers, in one run, on the same model and images: `python -m benchmarks.peers`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import materials
from benchmarks.contestants import CONTESTANTS
from benchmarks.environments import default_folder
from benchmarks.models import NETWORKS
from benchmarks.report import Network, report, summary
from benchmarks.running import Place, run

RESULTS = Path(__file__).with_name("results.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, prints the ratios, writes the report; 0 if every contestant gave a row or is named with a reason."""
    given = _parser().parse_args(arguments)
    networks = given.network or list(NETWORKS)
    with tempfile.TemporaryDirectory() as folder:
        measured = [_measured(network, Path(folder), given) for network in networks]
    for network in measured:
        sys.stdout.write("\n" + summary(network) + "\n")
    if given.json is not None:
        rows = {network.name: network.rows for network in measured}
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    given.results.write_text(report(measured, given.threads), encoding="utf-8")
    sys.stdout.write(f"\nwritten: {given.results}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--only", type=_names, default=tuple(CONTESTANTS), metavar="NAME,…", help=", ".join(CONTESTANTS)
    )
    parser.add_argument("--network", choices=list(NETWORKS), action="append", help="default: both")
    parser.add_argument(
        "--rounds", type=int, default=3, help="each contestant runs this often, in turn; the median counts"
    )
    parser.add_argument("--images", type=int, help="default: 512 (resnet20), 64 (resnet18)")
    parser.add_argument("--threads", type=int, default=1, help="threads and cores for each contestant")
    parser.add_argument("--environments", type=Path, default=default_folder(), metavar="DIR")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="the report, Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every row of every round, with its scores")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in CONTESTANTS:
            raise argparse.ArgumentTypeError(f"unknown contestant {name!r}; choose from {', '.join(CONTESTANTS)}")
    return names


def _measured(name: str, folder: Path, given: argparse.Namespace) -> Network:
    images = given.images or NETWORKS[name].images
    place = Place(given.environments, folder / name, given.threads)
    materials.write(place.materials, name, images)
    rows: dict[str, list[dict[str, Any]]] = {contestant: [] for contestant in given.only}
    for number in range(given.rounds):
        for contestant in given.only:
            if rows[contestant] and "failed" in rows[contestant][-1]:
                continue
            row = run(CONTESTANTS[contestant], place)
            rows[contestant].append(row)
            told = f"{row['cpu_s']:.1f} CPU s" if "cpu_s" in row else row["failed"]
            sys.stderr.write(f"{name} × {images}, round {number + 1}, {contestant}: {told}\n")
    return Network(name, images, rows)


if __name__ == "__main__":
    sys.exit(main())
