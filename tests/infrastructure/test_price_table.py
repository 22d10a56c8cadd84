from __future__ import annotations

import subprocess
import sys

from gateway.infrastructure.price_table import litellm_folder, price_rows


def test_a_row_is_found_by_the_name_that_was_asked_for() -> None:
    rows = price_rows(["gpt-4o-mini", "openai/gpt-4o-mini", "no-such-model", "sample_spec"])
    assert rows["gpt-4o-mini"] == rows["openai/gpt-4o-mini"]
    assert rows.keys() == {"gpt-4o-mini", "openai/gpt-4o-mini"}


def test_the_table_is_read_without_importing_litellm() -> None:
    program = "import sys; from gateway.infrastructure.price_table import price_rows; assert price_rows(['gpt-4o-mini']); assert 'litellm' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert litellm_folder() is not None
