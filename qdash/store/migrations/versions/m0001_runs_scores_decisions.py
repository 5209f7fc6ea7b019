"""The first tables: runs, scores, decisions, workers."""

import sqlalchemy as sa
from alembic import op

revision = "m0001_runs_scores_decisions"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, sa.ForeignKey("run.id", ondelete="SET NULL")),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("follow_up", sa.Text),
        sa.Column("facts", sa.Text),
        sa.Column("position", sa.Text),
        sa.Column("done", sa.Float, nullable=False),
        sa.Column("total", sa.Float, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("finished", sa.Float),
        sa.Column("cost", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    for column in ("parent", "identity", "created"):
        op.create_index(f"ix_run_{column}", "run", [column])
    op.create_table(
        "score",
        sa.Column("run", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("setting", sa.Text, primary_key=True),
        sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("sums", sa.Text, nullable=False),
        sa.Column("samples", sa.LargeBinary),
    )
    op.create_index("ix_score_run_sequence", "score", ["run", "sequence"])
    op.create_table(
        "decision",
        sa.Column("run", sa.Text, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("layer", sa.Text, primary_key=True),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("heartbeat", sa.Float, nullable=False),
    )
