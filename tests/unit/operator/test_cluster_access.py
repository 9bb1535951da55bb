"""Before an operator leads: what it lacks is said and ends it, an API server that is away is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.errors import ConfigError
from headrace_operator.cluster.errors import ApiDeniedError, ApiError, ApiNotFoundError, ApiUnavailableError
from headrace_operator.operate import run
from headrace_operator.operate.settings import load_operator_settings

SETTINGS = load_operator_settings({"POD_NAMESPACE": "jobs"})


class Answers:
    """Answers each request with the next of the failures, then well."""

    def __init__(self, *failures: ApiError) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def get(self, _path: str, _query: Any) -> dict[str, Any]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return {}


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ACCESS_SECONDS", -1.0)


async def test_an_api_server_that_is_away_is_waited_for_however_long() -> None:
    api: Any = Answers(*[ApiUnavailableError("refused")] * 3)
    await run._check_access(api, SETTINGS)
    assert api.asked == 4


@pytest.mark.parametrize(
    ("failure", "said"), [(ApiNotFoundError("404"), "apply crds/ first"), (ApiDeniedError("403"), "WATCH_NAMESPACES")]
)
async def test_what_is_missing_is_said(failure: ApiError, said: str) -> None:
    api: Any = Answers(ApiUnavailableError("refused"), failure)
    with pytest.raises(ConfigError, match=said):
        await run._check_access(api, SETTINGS)
