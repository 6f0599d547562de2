"""What the models say about their keys: everything that is made from them asks here."""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

Section = type[BaseModel]


def keys_of(section: Section) -> dict[str, FieldInfo]:
    """Return the fields of an object of the file by their keys as documented, in their order."""
    return {str(field.validation_alias): field for field in section.model_fields.values()}


def variables_of(section: Section) -> dict[str, str]:
    """Return the environment variable of each key."""
    return {str(field.validation_alias): f"GOOPHRY_{name.upper()}" for name, field in section.model_fields.items()}


def inherited_names(outer: Section, inner: Section) -> list[str]:
    """Return the fields that `inner` takes over from `outer` unless it has its own."""
    return [name for name in inner.model_fields if name in outer.model_fields]


def section_in(field: FieldInfo) -> Section | None:
    """Return the model of the object, or of the array of objects, that the key holds."""
    for kind in _kinds(field.annotation):
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return None


def is_list(field: FieldInfo) -> bool:
    """Whether the key holds an array of objects."""
    return section_in(field) is not None and any(get_origin(kind) is tuple for kind in _kinds(field.annotation))


def takes_text(field: FieldInfo) -> bool:
    """Whether the text of an environment variable is the value as it is, and not JSON."""
    return any(kind in (str, Path, SecretStr) for kind in _kinds(field.annotation))


def secret_keys(section: Section) -> Iterator[str]:
    """Yield the keys of `section`, and of the objects in it, whose values must never be shown."""
    for key, field in keys_of(section).items():
        inner = section_in(field)
        if inner is not None:
            yield from secret_keys(inner)
        elif any(kind is SecretStr or get_origin(kind) is dict for kind in _kinds(field.annotation)):
            yield key


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for item in get_args(annotation):
            yield from _kinds(item)
    elif origin is Literal:
        yield from (type(value) for value in get_args(annotation))
    else:
        yield annotation
