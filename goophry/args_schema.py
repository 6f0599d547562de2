"""A JSON Schema for the Args of a task type. Nothing is fetched for it: a reference to elsewhere is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

#: Longest sentence about what is wrong, in characters: it may show a value.
_SHOWN: Final = 300


@dataclass(frozen=True)
class ArgsSchema:
    """A schema that was found to be one by `schema_of`."""

    source: Mapping[str, Any] = field(hash=False)

    def problem(self, args: Sequence[str]) -> str | None:
        """Return what is wrong with `args`, with its place; None if nothing is."""
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - costs memory, used only with a Schema
        from referencing.exceptions import Unresolvable  # noqa: PLC0415

        try:
            error = best_match(self._validator.iter_errors(list(args)))
        except Unresolvable as reference:
            return f"the Schema refers to what is not in it: {reference}"
        if error is None:
            return None
        place = "".join(f"[{part}]" for part in error.absolute_path)
        text = error.message if len(error.message) <= _SHOWN else f"{error.message[:_SHOWN]}…"
        return f"Args{place}: {text}"

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        kind = validator_for(self.source)
        # With a registry of its own it fetches nothing from anywhere.
        return kind(dict(self.source), registry=Registry(), format_checker=kind.FORMAT_CHECKER)


def schema_of(source: Mapping[str, Any]) -> ArgsSchema:
    """Return the schema. Raises `ValueError` with the reason why it is none."""
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415

    try:
        validator_for(source).check_schema(dict(source))
    except SchemaError as error:
        place = "".join(f"[{part!r}]" for part in error.absolute_path)
        raise ValueError(f"{place + ': ' if place else ''}{error.message[:_SHOWN]}") from error
    return ArgsSchema(source)
