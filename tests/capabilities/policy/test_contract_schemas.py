"""The published schemas are what the gateway gives, takes and ships."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.capabilities.policy import verdict as parser
from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.contract_schemas import FILES, OF_ONE_HOOK, input_schema, schemas, verdict_schema
from gateway.domain import Hook
from gateway.testing import local_gateway
from tests.servers.opa_server import opa_binary

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "gateway" / "contract"


@pytest.mark.parametrize("name", FILES)
def test_each_is_a_json_schema_and_says_what_everything_means(name: str) -> None:
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert json.loads((FOLDER / FILES[name]).read_text()) == schema
    for section in schema["properties"].values():
        assert section["description"].endswith(".")


@pytest.mark.parametrize("hook", list(Hook))
def test_the_samples_on_which_a_policy_is_tried_are_of_the_contract(hook: Hook) -> None:
    validator = Draft202012Validator(input_schema(hook))
    for name, sample in samples(hook).items():
        assert [error.json_path for error in validator.iter_errors(sample)] == [], name


SOMETHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**9)
    | st.text(max_size=3)
    | st.sampled_from(["allow", "deny", "EMAIL_ADDRESS", "SECRET", "*", "a/b", "a/b/c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rule", "message", "model", "caller", "a"]), inner, max_size=3),
    max_leaves=5,
)
VERDICTS = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["allow", "deny", "allow", "alow", 1])},
    optional={
        "reasons": st.lists(st.fixed_dictionaries({"rule": st.text(max_size=3), "message": SOMETHING}), max_size=2) | SOMETHING,
        "obligations": st.dictionaries(st.sampled_from([*OF_ONE_HOOK, "reveal", "labels", "other"]), SOMETHING, max_size=2),
        "other": SOMETHING,
    },
)


def accepts(value: Any) -> bool:
    try:
        parser.parse(value)
    except parser.VerdictError:
        return False
    return True


@given(VERDICTS | SOMETHING)
def test_the_verdict_s_schema_takes_what_its_parser_takes(value: Any) -> None:
    valid = Draft202012Validator(verdict_schema()).is_valid(value)
    grants_secrets = '"SECRET"' in json.dumps(value)
    escalates = isinstance(value, dict) and value.get("outcome") == "escalate"
    assert valid == accepts(value) or grants_secrets or escalates


def test_obligations_of_one_hook_exist() -> None:
    assert OF_ONE_HOOK.keys() < verdict_schema()["properties"]["obligations"]["properties"].keys()


@pytest.mark.services
@pytest.mark.parametrize(
    ("hook", "rule", "said"),
    [
        ("intent", "v if input.subject.tennant", "undefined ref: input.subject.tennant"),
        ("intent", "v if input.answer.text", "undefined ref: input.answer"),
        ("intent", "v if {\n\tsome f in input.findings\n\tf.categry\n}", "undefined ref: f.categry"),
        ("intent", "v if input.request.stream == 1", "match error"),
        ("intent", "v if input.request.messages[_].content[_].anything", ""),
        ("intent", "v if input.request.params.anything.at.all", ""),
        ("intent", "v if input.subject.on_behalf_of == null", ""),
        ("answer", "v if input.answer.signals.logprob", "undefined ref: input.answer.signals.logprob"),
        ("answer", "v if input.request.messages", "undefined ref: input.request.messages"),
        ("answer", "v if {\n\tis_number(input.answer.confidence)\n\tinput.answer.confidence < 0.5\n}", ""),
        ("answer", 'v if input.intent_verdict.obligations.labels.team == "x"', ""),
    ],
)
def test_opa_finds_misspelt_paths_by_them(tmp_path: Path, hook: str, rule: str, said: str) -> None:
    opa = opa_binary()
    (tmp_path / "a.rego").write_text(f"# METADATA\n# scope: package\n# schemas:\n#   - input: schema.{hook}\npackage gateway.{hook}\n\n{rule}\n")
    done = subprocess.run([opa, "check", "--strict", "--schema", str(FOLDER), str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (not said)
    assert said in done.stderr


@pytest.mark.services
def test_the_policies_that_ship_pass_the_strict_check_with_them() -> None:
    opa = opa_binary()
    done = subprocess.run([opa, "check", "--strict", "--schema", str(FOLDER), str(ROOT / "policies")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


ALL_OF_IT = 'package gateway.{0}\n\nverdict := {{"outcome": "allow", "obligations": {1}}} if count(input) > 0\n'
REQUESTS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "write to jane.doe@example.com"}], "temperature": 0.5, "metadata": {"a": "b"}},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]},
    {"messages": [{"role": "user", "content": "hello"}], "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}], "stream": True},
    {"messages": [{"role": "user", "content": "hello"}], "n": 2},
]


@pytest.mark.parametrize("request_body", REQUESTS)
async def test_what_the_pipeline_gives_is_what_they_say(tmp_path: Path, request_body: dict[str, Any]) -> None:
    policies = {
        "intent.rego": ALL_OF_IT.format("intent", '{"allow_unscanned": true, "labels": {"a": "b"}, "max_tokens": 99}'),
        "answer.rego": ALL_OF_IT.format("answer", "{}"),
    }
    async with local_gateway(tmp_path, "rules: [{reply: 'ask jane.doe@example.com'}]", policies=policies) as local:
        await local.chat({"model": "assistant", **request_body})
        with local.gateway.database.read() as connection:
            rows = [orjson.loads(row[0]) for row in connection.exec_driver_sql("SELECT content FROM entries ORDER BY kind DESC") if row[0]]
    inputs = [row["decision_input"] for row in rows if "decision_input" in row]
    assert [told["hook"] for told in inputs] == ["intent", "answer"]
    for told, hook in zip(inputs, Hook, strict=True):
        assert [error.json_path for error in Draft202012Validator(input_schema(hook)).iter_errors(told)] == []
        missing = input_schema(hook)["properties"].keys() - told.keys()
        assert missing == set()
