"""Tests mirror modules: ``gateway/a/b.py`` is tested in ``tests/a/test_b.py``, or in several, ``tests/a/test_b_TOPIC.py``.
The small modules of a package of tables may share one, ``tests/test_a.py``, named for the package.

``test_documentation.py`` beside them holds a document to the code of that folder. A module without a function has nothing to test.
Migrations are tested through the database. Some folders of tests are of the whole, not of a module.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from tests.linters.sources import sources

WHOLE = ("integration", "e2e", "chaos", "benchmarks", "linters", "servers")


def check(root: Path) -> list[str]:
    modules = {_place(source.path): source for source in sources(root, "gateway") if "migrations" not in source.path.parts}
    packages = {place.parent for place in modules}
    tests = {path.relative_to(root / "tests") for path in (root / "tests").rglob("test_*.py")}
    tests = {path for path in tests if path.parts[0] not in WHOLE}
    known = set(modules) | packages
    missing = [
        f"{source.path}: has no tests/{_test_of(place)}"
        for place, source in modules.items()
        if any(True for _ in source.functions()) and not any(_mirrors(test, place) or _mirrors(test, place.parent) for test in tests)
    ]
    strays = [
        f"tests/{test}: mirrors no module of gateway/"
        for test in sorted(tests)
        if not _of_document(test, packages) and not any(_mirrors(test, place) for place in known)
    ]
    return missing + strays


def _place(path: Path) -> PurePath:
    """``gateway/a/b.py`` as ``a/b``, ``gateway/__main__.py`` as ``main``, ``gateway/a/__init__.py`` as ``a/init``."""
    inner = path.relative_to("gateway").with_suffix("")
    return inner.with_name(inner.name.strip("_"))


def _test_of(place: PurePath) -> PurePath:
    return place.with_name(f"test_{place.name}.py")


def _of_document(test: PurePath, packages: set[PurePath]) -> bool:
    return test.name == "test_documentation.py" and test.parent in packages


def _mirrors(test: PurePath, place: PurePath) -> bool:
    return test.parent == place.parent and (test.stem == f"test_{place.name}" or test.stem.startswith(f"test_{place.name}_"))
