"""Carries the dashboard's scripts, which lie beside the package, into it: `qdash app` finds them in qdash/dashboard."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SCRIPTS = [Path("app.py"), Path(".streamlit/config.toml"), *sorted(Path("pages").glob("*.py"))]


class WithDashboard(build_py):
    """The package and the scripts; an editable install runs them where they are."""

    def run(self) -> None:
        """Also copies the scripts."""
        super().run()
        for script, place in [] if self.editable_mode else self._places():
            self.mkpath(str(place.parent))
            self.copy_file(str(script), str(place))

    def get_source_files(self) -> list[str]:
        """What a source distribution has to hold, too."""
        return [*super().get_source_files(), *map(str, SCRIPTS)]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What was built, for whoever uninstalls it."""
        return [*super().get_outputs(include_bytecode), *(str(place) for _, place in self._places())]

    def _places(self) -> list[tuple[Path, Path]]:
        return [(script, Path(self.build_lib, "qdash", "dashboard", script)) for script in SCRIPTS]


setup(cmdclass={"build_py": WithDashboard})
