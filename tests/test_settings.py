"""``load`` end to end: what a good config compiles to, and every problem of a bad one at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.settings import Listen, Secret, SettingsError, load, secrets_of

WriteConfig = Callable[..., Path]


def problems_of(path: Path, env: dict[str, str]) -> list[str]:
    """Each problem as ``LINE: WHERE: WHAT (HINT)``."""
    with pytest.raises(SettingsError) as refused:
        load(path, env)
    return [str(problem).removeprefix(f"{path}:") for problem in refused.value.problems]


def test_a_good_config_compiles_with_defaults(write_config: WriteConfig, good_env: dict[str, str]) -> None:
    path = write_config()
    settings = load(path, good_env)
    assert settings.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert settings.server.listen == Listen("127.0.0.1", 8080)
    assert settings.server.limits.in_flight == 1024
    assert settings.keys.record_signing.reveal() == bytes(range(32))
    assert settings.database == path.parent / ".gateway/gateway.db"
    target = settings.routes_by_name["gpt-4o-mini"].first
    assert (target.name, target.base_url, target.api_key) == ("simulated", "http://127.0.0.1:9101/v1", None)
    assert target.price == (Decimal("0.15"), Decimal("0.6"))
    assert settings.routes_by_name["assistant"] is settings.routes["assistant"]
    assert settings.telemetry.traces.endpoint is None
    assert (settings.records.durability, settings.left_out) == ("power", ())


def test_settings_cannot_be_changed(write_config: WriteConfig, good_env: dict[str, str]) -> None:
    settings = load(write_config(), good_env)
    for part, key in ((settings, "digest"), (settings.server.limits, "in_flight"), (settings.routes["assistant"], "name")):
        with pytest.raises((AttributeError, ValueError)):
            setattr(part, key, None)
    assert not hasattr(settings.routes, "update")


def test_no_secret_shows_in_the_settings(write_config: WriteConfig, good_env: dict[str, str]) -> None:
    shown = repr(load(write_config(), good_env))
    assert "Secret(env:HASH)" in shown
    assert not [value for value in (*good_env.values(), bytes(range(32)).hex()) if value in shown]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("listen: 127.0.0.1:8080", "lisen: 127.0.0.1:8080", "2: server.lisen: unknown key (did you mean 'listen'?)"),
        ("server:", "sever:", "1: sever: unknown key (did you mean 'server'?)"),
        ("listen: 127.0.0.1:8080", "listen: 8080", "2: server.listen: must be text (it is a number)"),
        ("listen: 127.0.0.1:8080", "listen: ':8080'", "2: server.listen: is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"),
        ("listen: 127.0.0.1:8080", "listen: 127.0.0.1:80800", "2: server.listen: is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"),
        ("listen: 127.0.0.1:8080", "limits: {in_flight: yes}", "2: server.limits.in_flight: must be a whole number (it is text)"),
        ("listen: 127.0.0.1:8080", "limits: {in_flight: true}", "2: server.limits.in_flight: must be a whole number (it is true or false)"),
        ("listen: 127.0.0.1:8080", "shutdown_s: 0", "2: server.shutdown_s: must be greater than 0"),
        ("  listen: 127.0.0.1:8080", "  listen: a:1\n  listen: b:2", "3: server.listen: stands here twice, first on line 2"),
        ("    placeholder_key: env:PLACEHOLDER", "    redaction: {}", "7: tenants.acme.placeholder_key: is required"),
        ("acme:", "ACME:", "7: tenants.ACME: is not a name: 1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit"),
        ("    target: simulated", "    target: simulatd", "16: routes.assistant.target: no target named 'simulatd' (did you mean 'simulated'?)"),
        ("    target: simulated", "    target: other", "16: routes.assistant.target: no target named 'other' (known: simulated)"),
        ("[gpt-4o-mini]", "[assistant]", "17: routes.assistant.aliases[0]: 'assistant' already names routes.assistant"),
        ("[gpt-4o-mini]", "[a]\n  b: {target: simulated, aliases: [a]}", "18: routes.b.aliases[0]: 'a' already names routes.assistant.aliases[0] (line 17)"),
        (
            "[gpt-4o-mini]",
            "['a/b']",
            "17: routes.assistant.aliases[0]: is not an alias: 1 to 63 letters, digits, '.', '_', ':', '-', beginning with a letter or digit",
        ),
        (
            "http://127.0.0.1:9101/v1/",
            "127.0.0.1:9101",
            "11: targets.simulated.base_url: is not a URL such as http://127.0.0.1:9101/v1 (http or https, no user, query or fragment)",
        ),
        ("http://127.0.0.1:9101/v1/", "env:URL", "11: targets.simulated.base_url: the environment variable URL is not set (export URL=...)"),
        ("0.15", "-1", "13: targets.simulated.price.input_usd_per_mtok: must be greater than or equal to 0"),
        ("0.15", ".inf", "13: targets.simulated.price.input_usd_per_mtok: must be a number (it is text)"),
        ("env:HASH", "hunter2", "4: keys.api_key_hash: needs a reference to a secret, env:NAME or file:PATH; a secret itself must not stand in this file"),
        ("env:HASH", "env:HASH:-hunter2", "4: keys.api_key_hash: has a secret as default in the clear; only the empty default (env:NAME:-) is taken"),
        ("env:HASH", "env:NONE", "4: keys.api_key_hash: the environment variable NONE is not set (export NONE=...)"),
        ("env:HASH", "env:NONE:-", "4: keys.api_key_hash: is required, so an empty default cannot stand for it"),
        ("simulated-1", "m\n    breaker: {probs: 1}", "13: targets.simulated.breaker.probs: unknown key (did you mean 'probes'?)"),
        (
            "target: simulated",
            "targets: [{target: simulated, wait: 1}]",
            "16: routes.assistant.targets[0].wait: unknown key (did you mean 'weight'?)",
        ),
        (
            "target: simulated",
            "targets:\n      - target: simulated\n        when: {label: {a: [b]}}",
            "18: routes.assistant.targets[0].when.label: unknown key (did you mean 'labels'?)",
        ),
        ("target: simulated", "target: simulated\n    schma: x", "17: routes.assistant.schma: unknown key (did you mean 'schema'?)"),
        ("target: simulated", "target: simulated\n    schema: x", "17: routes.assistant.schema: no schema named 'x'"),
        ("routes:", "schemas: {order: order.json}\nroutes:", "14: schemas.order: order.json: no such file"),
        ("routes:", "records: {durability: Power}\nroutes:", "14: records.durability: must be one of power, process (did you mean 'power'?)"),
    ],
)
def test_each_problem_says_where_and_what(write_config: WriteConfig, good_env: dict[str, str], good_text: str, old: str, new: str, expected: str) -> None:
    found = problems_of(write_config(good_text, (old, new)), good_env)
    assert expected in found
    assert not any("hunter2" in problem for problem in found)


def test_all_problems_come_at_once_in_the_order_of_the_file(write_config: WriteConfig, good_text: str) -> None:
    path = write_config(good_text, ("listen", "lisen"), ("acme:", "A:"), ("model: simulated-1", "model: 5"), ("target: simulated", "target: x"))
    found = problems_of(path, {})
    assert [int(problem.partition(":")[0]) for problem in found] == [2, 4, 7, 8, 12, 16]


def test_an_optional_target_without_its_variable_is_left_out_with_its_routes(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    optional = "  real: {base_url: 'env:URL', model: 'env:MODEL:-small', api_key: 'env:KEY:-', optional: true}\nroutes:\n  real: {target: real}"
    path = write_config(good_text, ("routes:", optional))
    without = load(path, good_env)
    assert [part.where for part in without.left_out] == ["targets.real", "routes.real"]
    assert set(without.routes) == {"assistant"}
    target = load(path, {**good_env, "URL": "http://127.0.0.1:1/v1"}).routes["real"].first
    assert (target.base_url, target.model, target.api_key) == ("http://127.0.0.1:1/v1", "small", None)
    key = load(path, {**good_env, "URL": "http://127.0.0.1:1/v1", "KEY": "sk-1"}).targets["real"].api_key
    assert key is not None
    assert key.text() == "sk-1"


def test_an_optional_target_with_a_wrong_value_is_a_problem(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    path = write_config(good_text, ("routes:", "  real: {base_url: 'env:URL', model: m, optional: true}\nroutes:\n  real: {target: real}"))
    assert problems_of(path, {**good_env, "URL": "http://user:hunter2@host"}) == [
        "14: targets.real.base_url: env:URL does not hold a URL such as http://127.0.0.1:9101/v1 (http or https, no user, query or fragment)"
    ]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_database_by_reference_is_a_secret_url(write_config: WriteConfig, good_env: dict[str, str], good_text: str, scheme: str) -> None:
    path = write_config(good_text, ("keys:", "database: env:DATABASE_URL\nkeys:"))
    database = load(path, {**good_env, "DATABASE_URL": f"{scheme}://gateway:hunter2@db.example.com:5432/gateway"}).database
    assert isinstance(database, Secret)
    assert (database.text(), database.source) == ("postgresql://gateway:hunter2@db.example.com:5432/gateway", "env:DATABASE_URL")
    assert "hunter2" not in repr(database)


def test_a_database_url_without_a_password_may_stand_in_the_file(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    url = "postgresql://gateway@db.example.com/gateway"
    database = load(write_config(good_text, ("keys:", f"database: {url}\nkeys:")), good_env).database
    assert isinstance(database, Secret)
    assert (database.text(), database.source) == (url, url)


@pytest.mark.parametrize(
    ("value", "env", "expected"),
    [
        (
            "postgresql://gateway:hunter2@h/gateway",
            {},
            "3: database: has a password in the clear; put the whole URL into a variable or a file, and refer to it as env:NAME or file:PATH",
        ),
        ("mysql://h/gateway", {}, "3: database: is neither a path nor a URL such as postgresql://USER@HOST:5432/NAME"),
        ("env:DATABASE_URL", {}, "3: database: the environment variable DATABASE_URL is not set (export DATABASE_URL=...)"),
        ("env:DATABASE_URL:-", {}, "3: database: is required, so an empty default cannot stand for it"),
        (
            "env:DATABASE_URL",
            {"DATABASE_URL": "mysql://u:hunter2@h/g"},
            "3: database: env:DATABASE_URL does not hold a URL such as postgresql://USER:PASSWORD@HOST:5432/NAME",
        ),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    write_config: WriteConfig, good_env: dict[str, str], good_text: str, value: str, env: dict[str, str], expected: str
) -> None:
    found = problems_of(write_config(good_text, ("keys:", f"database: {value}\nkeys:")), {**good_env, **env})
    assert found == [expected]


def test_references_to_secrets_are_listed_even_where_they_lead_nowhere(write_config: WriteConfig) -> None:
    assert [reference.reference for reference in secrets_of(write_config())] == ["env:HASH", "file:secrets/seed", "env:PLACEHOLDER"]


def test_the_shipped_config_needs_only_its_local_secrets(tmp_path: Path) -> None:
    copy = tmp_path / "config.yaml"
    copy.write_bytes((Path(__file__).parent.parent / "config.yaml").read_bytes())
    with pytest.raises(SettingsError) as refused:
        load(copy, {})
    assert {problem.hint for problem in refused.value.problems} == {"run `gateway init` to make local secrets"}
    for reference in secrets_of(copy):
        if reference.target is None:
            path = tmp_path / reference.reference.removeprefix("file:")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(sha256(path.name.encode()).hexdigest())
    settings = load(copy, {})
    assert set(settings.tenants) == {"acme", "globex"}
    assert set(settings.routes) == {"assistant", "assistant-large", "extract", "triage", "triage-auto", "payments"}
    everything = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "LOCAL_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    assert set(load(copy, everything).routes) - set(settings.routes) == {"openai", "anthropic", "local"}


PLACES = [
    ("server",),
    ("server", "listen"),
    ("keys",),
    ("keys", "api_key_hash"),
    ("keys", "record_signing"),
    ("tenants",),
    ("tenants", "acme"),
    ("tenants", "acme", "placeholder_key"),
    ("tenants", "acme", "payload_key"),
    ("tenants", "acme", "older_payload_keys"),
    ("queues",),
    ("queues", "approvals"),
    ("queues", "approvals", "on_expiry"),
    ("queues", "approvals", "webhook"),
    ("waiting",),
    ("routes", "assistant", "wait_s"),
    ("targets", "simulated"),
    ("targets", "simulated", "base_url"),
    ("targets", "simulated", "price"),
    ("targets", "simulated", "client"),
    ("targets", "simulated", "provider"),
    ("targets", "simulated", "breaker"),
    ("database",),
    ("schemas",),
    ("schemas", "order"),
    ("confidence",),
    ("routes",),
    ("routes", "assistant"),
    ("routes", "assistant", "target"),
    ("routes", "assistant", "targets"),
    ("routes", "assistant", "schema"),
    ("routes", "assistant", "repair"),
    ("routes", "assistant", "confidence"),
    ("routes", "assistant", "last_resort"),
    ("routes", "assistant", "aliases"),
    ("nobody",),
]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["env:HASH", "env:NONE:-", "file:.", "file:none", "file:a\0", "simulated", "order", "litellm", "", "\0", "🙂"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "", "target", "when", "tier", "*"]), inner, max_size=2),
    max_leaves=4,
)


@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_change_gives_settings_or_problems_that_point_into_the_file(
    write_config: WriteConfig, good_env: dict[str, str], good_text: str, changes: list[tuple[tuple[str, ...], object]]
) -> None:
    data = yaml.safe_load(good_text)
    for place, value in changes:
        holder = data
        for part in place[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[place[-1]] = value
    path = write_config(yaml.safe_dump(data, allow_unicode=True))
    try:
        outcome: object = load(path, good_env)
    except SettingsError as error:
        outcome = error.problems
    if isinstance(outcome, tuple):
        lines = path.read_text().count("\n")
        assert [problem for problem in outcome if not (1 <= problem.line <= lines and problem.what)] == []
    assert outcome
    assert not [value for value in good_env.values() if value in repr(outcome)]
