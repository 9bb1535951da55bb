"""The base of every model in the API: strict, frozen, camelCase, its rules kept by the API server too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Rule:
    """A rule over several fields of an object: `cel` for the API server, `holds` for Python say the same."""

    field: str
    """The field to blame, as YAML spells it; empty blames the object."""
    cel: str
    message: str
    """What is wrong."""
    holds: Callable[[Any], bool]
    figures: str = ""
    """Added to the message in Python, where it costs nothing; `{minReplicas}` stands for that field."""

    def as_validation(self) -> dict[str, str]:
        """The entry of x-kubernetes-validations."""
        blame = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message, "reason": "FieldValueInvalid", **blame}

    def problem(self, part: Part) -> str | None:
        """What is wrong with this object, or None."""
        if self.holds(part):
            return None
        return self.message + self.figures.format_map(part.model_dump(by_alias=True))


def _add_rules(schema: dict[str, Any], model: type[BaseModel]) -> None:
    if issubclass(model, Part) and model.rules:
        schema["x-kubernetes-validations"] = [rule.as_validation() for rule in model.rules]


class Part(BaseModel):
    """A piece of the resource. Unknown fields are errors; null is as good as absent, as on the API server."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        json_schema_extra=_add_rules,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: object) -> object:
        if isinstance(given, dict):
            return {name: value for name, value in given.items() if value is not None}
        return given

    @model_validator(mode="after")
    def _follows_its_rules(self) -> Self:
        for rule in self.rules:
            problem = rule.problem(self)
            if problem is not None:
                raise PydanticCustomError("rule", "{problem}", {"field": rule.field, "problem": problem})
        return self
