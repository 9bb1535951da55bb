"""E29: each variable, what it takes, what it says of a wrong value, and where a value came from."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.worker.settings import VARIABLES, WorkerSettings, load_settings, parse_duration

DURATION = "must be a duration such as 30s, 500ms or 5m"
QUEUE = "use 1 to 63 of a-z, 0-9, '-', '.', '_', with a letter or digit at both ends"


def read(**environ: str) -> WorkerSettings:
    return load_settings(environ)[0]


def test_defaults_are_the_well_known_ones() -> None:
    settings = read()
    assert (settings.redis_url, settings.concurrency, settings.queue_size) == ("redis://localhost:6379/0", 100, 1000)
    assert (settings.max_retries, settings.shutdown_timeout, settings.startup_timeout) == (3, 30.0, 30.0)
    assert (settings.metrics_port, settings.log_level, settings.queues) == (9090, "info", {})
    assert settings.worker_id
    assert settings.control_socket.endswith(".sock")


def test_every_field_has_its_variable_and_every_variable_its_field() -> None:
    assert {field.name for field in fields(WorkerSettings)} == set(VARIABLES)
    names = [variable.name for variable in VARIABLES.values()]
    assert len(set(names)) == len(names)
    assert all(variable.help for variable in VARIABLES.values())


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("REDIS_URL", "rediss://h:1/2", "redis_url", "rediss://h:1/2"),
        ("WORKER_COUNT", "7", "concurrency", 7),
        ("QUEUE_SIZE", "10", "queue_size", 10),
        ("MAX_RETRIES", "0", "max_retries", 0),
        ("SHUTDOWN_TIMEOUT", "1m", "shutdown_timeout", 60.0),
        ("RETRY_BASE", "100ms", "retry_base", 0.1),
        ("RETRY_CAP", "1h", "retry_cap", 3600.0),
        ("STARTUP_TIMEOUT", "500ms", "startup_timeout", 0.5),
        ("METRICS_HOST", "0.0.0.0", "metrics_host", "0.0.0.0"),
        ("METRICS_PORT", "0", "metrics_port", 0),
        ("METRICS_TOKEN", "t", "metrics_token", "t"),
        ("LOG_LEVEL", "DEBUG", "log_level", "debug"),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_JOBS", "none", "log_jobs", "none"),
        ("LEASE", "1", "lease", 1.0),
        ("LOOP_BLOCK_LIMIT", "2h", "loop_block_limit", 7200.0),
        ("HEADRACE_WORKER_ID", "pod-1", "worker_id", "pod-1"),
        ("HEADRACE_VERSION", "abc", "version", "abc"),
        ("HEADRACE_CONTROL_SOCKET", "/run/w.sock", "control_socket", "/run/w.sock"),
        ("HEADRACE_QUEUES", " a=3, b ,", "queues", {"a": 3, "b": 1}),
    ],
)
def test_good_values(name: str, text: str, field: str, value: object) -> None:
    settings, sources = load_settings({name: text})
    assert getattr(settings, field) == value
    (line,) = (line for line in sources if line.name == name)
    assert line.source == name


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("WORKER_COUNT", "many", "must be a whole number, got 'many'"),
        ("WORKER_COUNT", "1.5", "must be a whole number, got '1.5'"),
        ("WORKER_COUNT", "0", "must be 1 to 10,000, got 0"),
        ("QUEUE_SIZE", "-1", "must be 1 to 100,000, got -1"),
        ("MAX_RETRIES", "201", "must be 0 to 200, got 201"),
        ("SHUTDOWN_TIMEOUT", "30 seconds", f"{DURATION}, got '30 seconds'"),
        ("SHUTDOWN_TIMEOUT", "-1s", "must be 0 or more and less than 10,000,000 s, got '-1s'"),
        ("STARTUP_TIMEOUT", "nan", "must be 0 or more and less than 10,000,000 s, got 'nan'"),
        ("METRICS_PORT", "65536", "must be 0 to 65,535, got 65,536"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error, got 'loud'"),
        ("LOG_FORMAT", "xml", "must be auto, json or console, got 'xml'"),
        ("LOG_JOBS", "some", "must be auto, all or none, got 'some'"),
        ("LEASE", "500ms", "must be at least 1s, got '500ms'"),
        ("LOOP_BLOCK_LIMIT", "5x", f"{DURATION}, got '5x'"),
        ("HEADRACE_QUEUES", "Bad Name", f"queue name 'Bad Name': {QUEUE}"),
        ("HEADRACE_QUEUES", "a=0", "must be 1 to 1,000, got 0"),
        ("HEADRACE_QUEUES", "a=lots", "must be a whole number, got 'lots'"),
    ],
)
def test_wrong_values_are_one_line_that_names_the_variable(name: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({name: text})
    assert str(refused.value) == f"{name}: {complaint}"


def test_a_wrong_address_names_its_source_once_and_no_password() -> None:
    with pytest.raises(ConfigError, match=r"^REDIS_URL: the port must be") as refused:
        load_settings({"REDIS_URL": "redis://:hunter2@h:x"})
    assert "hunter2" not in str(refused.value)


def test_an_option_wins_over_the_environment_and_is_named_when_wrong() -> None:
    settings, sources = load_settings({"WORKER_COUNT": "5"}, {"concurrency": "6"})
    assert settings.concurrency == 6
    assert next(line.source for line in sources if line.name == "WORKER_COUNT") == "--concurrency"
    with pytest.raises(ConfigError, match=r"^--log-level: must be debug"):
        load_settings({}, {"log_level": "loud"})


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("50/s", "50/s"), ("90/m", "1.5/s")])
def test_a_rate_is_shown_as_one(text: str, shown: str) -> None:
    (line,) = (line for line in load_settings({"WORKER_RATE": text})[1] if line.name == "WORKER_RATE")
    assert line.value == shown


def test_an_empty_variable_is_as_if_it_were_not_set() -> None:
    _, sources = load_settings({"WORKER_COUNT": ""})
    assert next((line.value, line.source) for line in sources if line.name == "WORKER_COUNT") == ("100", "default")


def test_secrets_are_never_shown() -> None:
    settings, sources = load_settings({"REDIS_URL": "redis://u:hunter2@h", "METRICS_TOKEN": "hunter3"})
    shown = {line.name: line.value for line in sources}
    assert shown["REDIS_URL"] == "redis://u:***@h:6379/0"
    assert shown["METRICS_TOKEN"] == "***"
    assert "hunter" not in f"{sources}{settings!r}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1.5s", 1.5), ("250ms", 0.25), ("2m", 120), ("1h", 3600), ("7", 7), (" 1s ", 1)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.text())
def test_no_text_crashes_a_duration(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ConfigError as error:
        complaint = str(error)
    else:
        complaint = ""
        assert 0 <= seconds < 10**7
    assert "\n" not in complaint


@given(st.sampled_from(sorted(VARIABLES)), st.text(max_size=30))
def test_no_value_of_any_variable_ends_in_anything_but_settings_or_a_line(field: str, text: str) -> None:
    name = VARIABLES[field].name
    try:
        load_settings({name: text})
    except ConfigError as error:
        complaint = str(error)
    else:
        complaint = f"{name}: "
    assert complaint.startswith(f"{name}: ")
    assert "\n" not in complaint
