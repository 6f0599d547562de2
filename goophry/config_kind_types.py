"""The kinds of value that go with the Kind of a task type."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo

from goophry.config_types import expected, folder_of, is_texts
from goophry.program_globs import absolute


def _program_globs(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Make the globs of paths absolute, as the paths are that they will be held against."""
    if not is_texts(value) or not value or not all(value):
        raise expected('a list of names or globs of programs, as ["php","/srv/app/bin/*"], or ["*"] for all')
    folder = str(folder_of(info))
    return tuple(absolute(glob, folder=folder) if "/" in glob else glob for glob in value)


ProgramGlobs = Annotated[
    tuple[str, ...],
    BeforeValidator(_program_globs, json_schema_input_type=Annotated[list[str], Field(min_length=1)]),
]
