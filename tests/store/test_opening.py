"""Opening a store: new, old, twice at once, and what can't be one."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from qdash import home
from qdash.errors import InputError
from qdash.executors.spawning import environment
from qdash.store.engine import HEAD, MIGRATIONS, connect, upgrade
from qdash.store.runs import NewRun
from qdash.store.schema import METADATA, VERSION
from qdash.store.store import Store


def test_migrations_from_nothing_give_the_tables_of_the_code(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        upgrade(connection)
    migrated = described(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
    METADATA.drop_all(engine)
    VERSION.drop(engine)
    engine.dispose()
    created = connect(url)
    assert described(created) == migrated
    with created.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
        upgrade(connection)  # finds nothing to do
    created.dispose()


def described(engine: sa.Engine) -> dict[str, object]:
    """All that can be asked of every table."""
    inspector, found = sa.inspect(engine), {}
    for table in inspector.get_table_names():
        columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)]
        keys = inspector.get_pk_constraint(table), inspector.get_foreign_keys(table)
        found[table] = columns, keys, sorted(inspector.get_indexes(table), key=str)
    return found


def test_migrations_are_one_line_and_the_last_is_the_head() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert script.get_heads() == [HEAD]
    assert [s.revision for s in script.walk_revisions()] == sorted(
        (path.stem for path in (MIGRATIONS / "versions").glob("m*.py")), reverse=True
    )


def test_sqlite_is_set_up_for_a_writer_and_many_readers(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 's.sqlite'}")
    with engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {p}").scalar()
            for p in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    engine.dispose()
    assert pragmas == ["wal", 1, 10000, 1]


OPENER = """
import sys, time
from qdash.store.runs import NewRun
from qdash.store.store import Store
while time.time() < float(sys.argv[2]): pass
with Store.open(sys.argv[1]) as store:
    store.runs.create(NewRun("sweep", "{}", model="m", data="d"))
"""


@pytest.mark.slow
def test_processes_that_open_one_new_store_at_once_don_t_clash(url: str) -> None:
    start = str(time.time() + 1.5)
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENER, url, start], env=environment(), stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=30)[1].decode() for process in processes]
    assert errors == ["", "", ""]
    with Store.open(url) as store:
        assert len(store.runs.list()) == 3


def test_a_new_store_that_another_opener_is_writing_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    # SQLite calls no busy handler here, whatever the timeout.
    hasty = sqlite3.connect(tmp_path / "s.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        hasty.execute("PRAGMA journal_mode=WAL")
    hasty.close()
    release = threading.Timer(0.3, other.rollback)
    release.start()
    connect(f"sqlite:///{tmp_path / 's.sqlite'}").dispose()
    assert not other.in_transaction
    other.close()


def test_a_store_is_opened_again_with_its_runs(url: str) -> None:
    with Store.open(url) as store:
        run_id = store.runs.create(NewRun("sweep", "{}", model="m", data="d"))
    with Store.open(url) as store:
        assert store.runs.get("latest").id == run_id


def test_without_a_url_the_store_lies_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Store.open() as store:
        assert store.url == f"sqlite:///{home.home() / 'qdash.sqlite'}"
    monkeypatch.setenv("QDASH_STORE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    with Store.open():
        assert (tmp_path / "other.db").exists()


def test_a_relative_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///deep/store.sqlite") as store:
        assert store.url == f"sqlite:///{tmp_path / 'deep' / 'store.sqlite'}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "can't be read; write sqlite:"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://user:secret@host/db", r"mysql://user:\*\*\*@host/db is neither SQLite nor PostgreSQL"),
        ("postgresql+nodriver://h/d", "unknown driver"),
        ("postgresql+asyncpg://h/d", "asyncpg"),
        ("postgresql://u:secret@127.0.0.1:1/db", r"u:\*\*\*@.*check the server"),
        ("sqlite:////proc/nowhere/x.sqlite", "can't make the store's folder /proc/nowhere"),
    ],
)
def test_a_url_that_can_t_be_used_is_the_user_s_error(url: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        Store.open(url)
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("these are notes\n" * 100)
    with pytest.raises(InputError, match=r"notes\.txt: file is not a database; give a writable path"):
        Store.open(f"sqlite:///{notes}")
    assert notes.read_text() == "these are notes\n" * 100


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'photos.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE photo (id INTEGER)"))
    with pytest.raises(InputError, match=r"photo.*another program"):
        Store.open(f"sqlite:///{tmp_path / 'photos.db'}")
    assert sa.inspect(engine).get_table_names() == ["photo"]
    engine.dispose()


def test_a_store_of_a_newer_version_is_refused(url: str) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'm9999_future'"))
    engine.dispose()
    with pytest.raises(InputError, match=r"newer qdash.*update qdash"):
        Store.open(url)


def test_a_home_that_can_t_be_made_is_the_user_s_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_HOME", "/proc/nowhere")
    with pytest.raises(InputError, match="QDASH_HOME"):
        Store.open()


def test_the_package_s_copy_elsewhere_finds_its_migrations(tmp_path: Path) -> None:
    package = Path(home.__file__).parent
    shutil.copytree(package, tmp_path / "qdash", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import qdash; from qdash.store.store import Store; Store.open().close(); print(qdash.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "qdash" / "__init__.py")


def test_the_store_imports_neither_torch_nor_streamlit_nor_pandas() -> None:
    code = (
        "import sys, qdash.store.store; print([m for m in ('torch','streamlit','pandas','dbos') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
