"""E13: what may be injected where, and that payload and injected parameters never mix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from headrace import Depends, Fleet
from headrace.client.depends import Kind, handler_needs, provider_need
from headrace.errors import ConfigError, PayloadError
from headrace.worker.resources import Resources

if TYPE_CHECKING:
    from decimal import Decimal

opened: list[str] = []


async def base() -> AsyncIterator[str]:
    opened.append("base")
    yield "base"
    opened.append("base closed")


def middle(base: Annotated[str, Depends(base)]) -> Iterator[str]:
    opened.append("middle")
    yield f"{base}+middle"
    opened.append("middle closed")


@asynccontextmanager
async def per_job(middle: str = Depends(middle)) -> AsyncIterator[str]:
    opened.append("job")
    yield f"{middle}+job"
    opened.append("job closed")


async def coroutine() -> int:
    return 3


def plain() -> list[int]:
    return [1]


Base = Annotated[str, Depends(base)]
JobValue = Annotated[str, Depends(per_job, scope="job")]


async def by_alias(number: int, base: Base, *, job: JobValue) -> None: ...
async def by_default(number: int, base: str = Depends(base), text: str = "", *, job: str = "") -> None: ...
async def first(base: Base, number: int) -> None: ...
async def before_rest(base: Base, *rest: int) -> None: ...
async def on_rest(*rest: Annotated[int, Depends(coroutine)]) -> None: ...
async def positional_only(base: Base, /) -> None: ...
async def unresolved(base: Annotated[Nowhere, Depends(base)]) -> None: ...  # type: ignore[name-defined] # noqa: F821
async def for_checkers_only(price: Decimal, base: Base) -> None: ...
async def keywords(base: Base, **more: int) -> None: ...


def needs_more(what: int) -> int:
    return what


def short_lived(job: JobValue) -> str:
    return job


def circular(again: Annotated[int, Depends(lambda: 1)]) -> int:
    return again


circular.__annotations__["again"] = Annotated[int, Depends(circular)]


@pytest.fixture(autouse=True)
def _nothing_opened() -> None:
    opened.clear()


def test_needs_are_read_from_annotations_and_defaults() -> None:
    needs = handler_needs("t", by_alias)
    assert list(needs) == ["base", "job"]
    assert (needs["base"].scope, needs["base"].kind) == ("worker", Kind.ASYNC_GENERATOR)
    assert (needs["job"].scope, needs["job"].kind) == ("job", Kind.ASYNC_CONTEXT)
    assert needs["job"].needs["middle"].needs["base"].key == needs["base"].key
    assert list(handler_needs("t", for_checkers_only)) == ["base"]
    assert handler_needs("t", plain) == {}
    assert provider_need(coroutine, "worker").kind is Kind.CALL


@pytest.mark.parametrize(
    ("define", "complaint"),
    [
        (lambda: handler_needs("t", by_default), "task t: 'text' comes after an injected parameter"),
        (lambda: handler_needs("t", first), "task t: 'number' comes after an injected parameter"),
        (lambda: handler_needs("t", before_rest), "task t: 'rest' comes after an injected parameter"),
        (lambda: handler_needs("t", on_rest), "'rest' can't be injected by name"),
        (lambda: handler_needs("t", positional_only), "'base' can't be injected by name"),
        (lambda: handler_needs("t", unresolved), "the annotation of 'base' can't be resolved: .*Nowhere"),
        (lambda: provider_need(needs_more, "job"), "provider needs_more: parameter 'what' is neither injected nor"),
        (lambda: provider_need(short_lived, "worker"), "lives as long as the worker, but 'job' only for one job"),
        (lambda: provider_need(circular, "job"), "provider circular: depends on itself"),
        (
            lambda: Depends("pool"),  # type: ignore[call-overload]
            "'pool' is not a function",
        ),
        (lambda: Depends(plain, scope="request"), "scope must be worker or job, got 'request'"),  # type: ignore[call-overload]
        (lambda: Fleet().queue("q").task()(first), "task first: 'number' comes after"),
    ],
)
def test_bad_signatures_are_refused_when_the_task_is_defined(define: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        define()


def test_a_payload_has_only_what_is_not_injected() -> None:
    queue = Fleet().queue("q")
    task, open_ended = queue.task()(by_alias), queue.task()(keywords)
    assert task.arguments.check((1,), {}) == ((1,), {})
    assert list(task.arguments.json_schema()["properties"]) == ["number"]
    assert task.arguments.required == ["number"]
    for checks, args, kwargs in (
        (task.arguments, (1,), {"base": "mine"}),
        (task.arguments, (1, "mine"), {}),
        (open_ended.arguments, (), {"base": 1}),
    ):
        with pytest.raises(PayloadError):
            checks.check(args, kwargs)
    assert open_ended.arguments.check((), {"other": 1}) == ((), {"other": 1})
    assert open_ended.arguments.takes_none is False


def test_a_task_whose_parameters_are_all_injected_takes_none_and_may_be_periodic() -> None:
    async def tidy(base: str = Depends(base)) -> None: ...

    task = Fleet().queue("q").cron("@daily")(tidy)
    assert task.arguments.takes_none


def test_options_keep_what_is_injected() -> None:
    task = Fleet().queue("q").task()(by_alias)
    assert task.options(delay=1).needs is task.needs


async def given(values: dict[str, Any]) -> dict[str, Any]:
    return values


async def test_values_are_opened_in_order_shared_and_closed_in_reverse() -> None:
    needs = handler_needs("t", by_alias)
    resources = Resources({})
    await resources.open(needs.values(), patience=5)
    assert opened == ["base", "middle"]
    for _ in range(2):
        assert await resources.run(needs, given) == {"base": "base", "job": "base+middle+job"}
    assert opened[2:] == ["job", "job closed"] * 2
    assert await resources.close(patience=5) is None
    assert opened[-2:] == ["middle closed", "base closed"]
    assert await resources.close(patience=5) is None
    assert opened[-2:] == ["middle closed", "base closed"]


async def test_a_test_gets_its_own_in_place_of_a_provider() -> None:
    fleet = Fleet()
    needs = handler_needs("t", by_alias)

    def fake() -> str:
        return "fake"

    with fleet.override(base, fake):
        resources = Resources(fleet.overrides)
        await resources.open(needs.values(), patience=5)
        assert await resources.run(needs, given) == {"base": "fake", "job": "fake+middle+job"}
        await resources.close(patience=5)
    assert fleet.overrides == {}
    assert "base" not in opened


async def test_what_fails_to_open_is_named_and_the_others_are_closed() -> None:
    def broken(base: Base) -> int:
        raise OSError("no such host")

    resources = Resources({})
    with pytest.raises(ConfigError, match=r"the resource .*broken can't be opened: OSError: no such host"):
        await resources.open([provider_need(broken, "worker")], patience=5)
    assert await resources.close(patience=5) is None
    assert opened == ["base", "base closed"]


async def test_opening_and_closing_have_a_deadline() -> None:
    import asyncio

    async def stuck() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(60)

    async def never() -> None:
        await asyncio.sleep(60)

    resources = Resources({})
    with pytest.raises(ConfigError, match=r"never did not open within 0\.05 s"):
        await resources.open([provider_need(never, "worker")], patience=0.05)
    await resources.open([provider_need(stuck, "worker")], patience=5)
    assert isinstance(await resources.close(patience=0.05), TimeoutError)


async def test_a_provider_can_not_make_a_failure_a_success() -> None:
    def swallows() -> Iterator[None]:
        with suppress(ValueError):
            yield

    async def fails(values: dict[str, Any]) -> None:
        raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        await Resources({}).run({"it": provider_need(swallows, "job")}, fails)
