"""The commands and how their errors end: one line on stderr and an exit code."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer
from typer.exceptions import Abort, TyperException

from qdash.cli import dashboard, history, qat, recommend, sweep
from qdash.errors import QdashError


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    try:
        code = _app(asked=next(iter(arguments), None))(
            args=list(arguments) or ["--help"], prog_name="python -m qdash", standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except TyperException as error:
        return _fail(_usage(error), 2)
    except (Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except QdashError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output went away: not worth a message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as error:  # of a model's or a data set's code, where nothing else took it
        return _fail(f"something called sys.exit({error.code!r}); let models and data raise an error instead", 2)
    except Exception as error:
        from qdash.faults import as_qdash_error

        return _fail(str(as_qdash_error(error)), 1)


def _app(asked: str | None) -> typer.Typer:
    app = typer.Typer(
        name="python -m qdash",
        help="Which layers of a PyTorch model survive quantization, and which to keep in FP32.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command("app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(dashboard.app)
    app.command("list")(history.list_family)
    # The spec's options take pydantic, 0.15 s to import: only where they are asked for.
    app.command("sweep", help=sweep.sweep.__doc__)(sweep.sweep_with_options() if asked == "sweep" else _unasked)
    app.command("runs")(history.runs)
    app.command("show")(history.show)
    app.command("recommend")(recommend.recommend)
    app.command("qat")(qat.qat)
    app.command("resume")(sweep.resume)
    app.command("cancel")(history.cancel)
    return app


def _unasked() -> None:
    """Stands in the list of commands."""


def _usage(error: TyperException) -> str:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    return f"{message} See: {context.command_path} --help" if context else message


def _fail(message: str, code: int) -> int:
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"error: {_one_line(message)}\n" if code != 130 else f"{_one_line(message)}\n")
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())
