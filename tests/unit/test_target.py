"""Redis addresses: what each means, what is wrong with a wrong one, and where a password never shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.wire.target import Seeds, Sentinels, Target, parse_target

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "target", "shown"),
    [
        ("redis://h", Target("h"), "redis://h:6379/0"),
        ("redis://h:1/2", Target("h", 1, 2), "redis://h:1/2"),
        ("valkey://h?db=3", Target("h", db=3), "redis://h:6379/3"),
        ("rediss://h", Target("h", tls=True), "rediss://h:6379/0"),
        ("valkeys://h?ca_file=/ca.pem", Target("h", tls=True, ca_file="/ca.pem"), "rediss://h:6379/0"),
        ("redis://:hunter2@h", Target("h", password=SECRET), "redis://:***@h:6379/0"),
        ("redis://u:hunter2@h", Target("h", username="u", password=SECRET), "redis://u:***@h:6379/0"),
        ("redis://u:hunter2%40%2F@h", Target("h", username="u", password="hunter2@/"), "redis://u:***@h:6379/0"),
        ("redis://[::1]:7/0", Target("::1", 7), "redis://::1:7/0"),
        ("unix:///run/r.sock", Target(unix_path="/run/r.sock"), "unix:///run/r.sock?db=0"),
        ("unix:///run/r.sock?db=4", Target(unix_path="/run/r.sock", db=4), "unix:///run/r.sock?db=4"),
        (
            "redis+sentinel://u:hunter2@a:1,b/jobs/2",
            Target("a", 1, 2, "u", SECRET, found_by=Sentinels((("a", 1), ("b", 26379)), "jobs")),
            "redis+sentinel://u:***@a:1,b:26379/jobs/2",
        ),
        (
            "rediss+sentinel://a/jobs?sentinel_username=s&sentinel_password=hunter2&ca_file=/ca.pem",
            Target(
                *("a", 26379),
                tls=True,
                ca_file="/ca.pem",
                found_by=Sentinels((("a", 26379),), "jobs", "s", SECRET),
            ),
            "rediss+sentinel://a:26379/jobs/0",
        ),
        (
            "redis+cluster://:hunter2@a,[::1]:7",
            Target("a", password=SECRET, found_by=Seeds((("a", 6379), ("::1", 7)))),
            "redis+cluster://:***@a:6379,[::1]:7",
        ),
        ("valkeys://a?cluster=true", Target("a", tls=True, found_by=Seeds((("a", 6379),))), "rediss+cluster://a:6379"),
    ],
)
def test_addresses(url: str, target: Target, shown: str) -> None:
    parsed = parse_target(url)
    assert (parsed, parsed.redacted) == (target, shown)
    assert SECRET not in repr(parsed)
    assert SECRET not in repr(parsed.found_by)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "not a URL"),
        ("localhost", "not a URL"),
        ("localhost:6379", "not a URL"),
        ("http://h", "unknown scheme 'http'"),
        ("redis://", "the host is missing"),
        ("redis:///0", "the host is missing"),
        ("redis://h:99999", "the port must be a number from 1 to 65535"),
        ("redis://h:port", "the port must be a number from 1 to 65535"),
        ("redis://h/first", "the database must be a number, not 'first'"),
        ("redis://h/-1", "the database must be a number, not '-1'"),
        ("redis://h?timeout=3", "unknown parameter 'timeout'"),
        ("unix://", "the socket's path is missing"),
        ("redis://a,b", "several hosts need redis+sentinel:// or redis+cluster://"),
        ("redis://a,", "the host is missing"),
        ("redis+sentinel://a,b", "the master's name is missing"),
        ("redis+sentinel://a/jobs/x", "the database must be a number, not 'x'"),
        ("redis+sentinel://u:1/hunter2@h", "the master's name has an @ in it"),
        ("redis+cluster://a/1", "a Cluster has database 0 only"),
        ("redis://a?cluster=maybe", "cluster must be yes or no, not 'maybe'"),
        ("redis+cluster://a?sentinel_password=hunter2", "unknown parameter 'sentinel_password'"),
        ("redis+tcp://a", "unknown scheme 'redis+tcp'"),
        ("redis://u:hunter2@h:port", "the port must be"),
        ("redis://u:hunter2@[::1", "Invalid IPv6 URL"),
        ("redis://u:hunter2@h\u2100", "not a URL"),
        ("redis://u:1/hunter2@h", "the database must be a number;"),
        ("redis://u:1?hunter2@h=1", "unknown parameter;"),
        ("redis://u:hun/ter2@h", ""),
        ("redis://u:hunter2/@h", ""),
        ("redis://u:hunter2#@h", ""),
    ],
)
def test_wrong_addresses_are_one_line_that_names_its_source_and_no_password(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_target(url, "THE_VARIABLE")
    line = str(refused.value)
    assert line.startswith(f"THE_VARIABLE: {complaint}")
    assert "\n" not in line
    assert SECRET not in line
    assert "ter2" not in line


@given(url=st.text(), secret=st.just("s3cr3t-w0rd"))
def test_no_text_crashes_it_or_brings_out_a_password(url: str, secret: str) -> None:
    schemes = ("redis", "redis+sentinel", "rediss+cluster")
    for text in (url, *(f"{s}://u:{secret}{rest}" for s in schemes for rest in (f"@{url}", f"{url}@h"))):
        try:
            shown = repr(parse_target(text))
        except ConfigError as error:
            shown = str(error)
        assert secret not in shown
