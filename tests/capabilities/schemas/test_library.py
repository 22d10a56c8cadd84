from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.capabilities.schemas.library import DIALECTS, dialect, dialect_of


def test_the_library_is_not_imported_before_a_schema_is_compiled() -> None:
    script = "import sys, gateway.capabilities.schemas.registry; print([name for name in ('jsonschema', 'referencing') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(set(DIALECTS.values())))
def test_every_keyword_of_a_dialect_is_one_of_ours(name: str) -> None:
    ours = dialect(name)._class.VALIDATORS
    assert {keyword for keyword, function in ours.items() if not function.__module__.startswith("gateway.")} == set()


@pytest.mark.parametrize(
    ("uri", "name"), [("http://json-schema.org/draft-07/schema#", "draft7"), ("https://json-schema.org/draft/2019-09/schema", "2019-09"), (None, "2020-12")]
)
def test_a_schema_is_of_the_dialect_that_it_names(uri: str | None, name: str) -> None:
    assert dialect_of({"$schema": uri} if uri else {}) is dialect(name)


@pytest.mark.parametrize("name", sorted(set(DIALECTS.values())))
def test_each_metaschema_is_a_schema_of_its_dialect_in_one_piece(name: str) -> None:
    metaschema = dialect(name)._metaschema.schema
    dialect(name).check(metaschema, "")
    assert b"properties" in b"".join(key.encode() for key in metaschema)
    assert "meta/" not in str(metaschema)
    assert {"type", "properties", "$ref", "pattern"} <= metaschema["properties"].keys()
