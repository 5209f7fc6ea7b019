"""Pins: what people decided about the layers of a run."""

import time

import sqlalchemy as sa

from qdash.store.run_row import touch
from qdash.store.schema import DECISION
from qdash.store.upsert import upsert


class Pins:
    """The pins of a store's runs."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def of(self, run_id: str) -> dict[str, bool]:
        """By layer: True keeps it in FP32, False quantizes it; layers nobody decided about are absent."""
        query = sa.select(DECISION.c.layer, DECISION.c.pinned).where(DECISION.c.run == run_id)
        with self._engine.connect() as connection:
            return {row.layer: row.pinned for row in connection.execute(query.order_by(DECISION.c.layer))}

    def set(self, run_id: str, layer: str, pinned: bool) -> None:
        """Replaces an earlier decision about the layer. Raises InputError where the run is gone."""
        row = {"run": run_id, "layer": layer, "pinned": pinned, **_NOBODY, "updated": time.time()}
        with self._engine.begin() as connection:
            touch(connection, run_id)
            upsert(connection, DECISION, [row])

    def clear(self, run_id: str) -> None:
        """Forgets every decision of a run."""
        with self._engine.begin() as connection:
            touch(connection, run_id)
            connection.execute(sa.delete(DECISION).where(DECISION.c.run == run_id))


# Columns of the first schema that nothing reads.
_NOBODY = {"note": "", "author": ""}
