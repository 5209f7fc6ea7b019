"""What people decided about the layers of a run."""

import time

import sqlalchemy as sa

from qdash.store.runs import touch
from qdash.store.schema import DECISION
from qdash.store.scores import upsert


def pins(connection: sa.Connection, run_id: str) -> dict[str, bool]:
    """By layer: True keeps it in FP32, False quantizes it. Layers nobody decided about are absent."""
    query = sa.select(DECISION.c.layer, DECISION.c.pinned).where(DECISION.c.run == run_id).order_by(DECISION.c.layer)
    return {row.layer: row.pinned for row in connection.execute(query)}


def set_pin(connection: sa.Connection, run_id: str, layer: str, pinned: bool, note: str, author: str) -> None:
    """Replaces an earlier decision about the layer."""
    touch(connection, run_id)
    row = {"run": run_id, "layer": layer, "pinned": pinned, "note": note, "author": author, "updated": time.time()}
    upsert(connection, DECISION, ("run", "layer"), [row])


def clear(connection: sa.Connection, run_id: str) -> None:
    """Forgets every decision of a run."""
    touch(connection, run_id)
    connection.execute(sa.delete(DECISION).where(DECISION.c.run == run_id))
