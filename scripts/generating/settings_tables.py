"""The tables of docs/configuration.md, from the models of the configuration."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generating.markers import table, with_part
from goophry import config
from goophry.config_door_poulpe import PoulpeDoor, PoulpeKafka
from goophry.config_doors import CoyotesDoor, Doors, KingtaskDoor
from goophry.config_fields import Section, keys_of, variables_of
from goophry.config_intake import IntakeKafka, IntakeSection
from goophry.config_kinds import REQUIRED_OF_KIND
from goophry.retry import NEVER

SECTIONS: Final[tuple[Section, ...]] = (
    config.Settings,
    config.TaskType,
    config.ExitCodes,
    config.Unique,
    config.Limits,
    config.Smtp,
    config.Schedule,
    config.ApiToken,
    Doors,
    CoyotesDoor,
    KingtaskDoor,
    PoulpeDoor,
    PoulpeKafka,
    IntakeSection,
    IntakeKafka,
)


def with_tables(page: str) -> str:
    """Put the table of each section between its markers."""
    schema = config.json_schema()
    for section in SECTIONS:
        page = with_part(page, name=section.__name__, text=_table_of(section, schema=schema))
    return page


def _table_of(section: Section, *, schema: dict[str, Any]) -> str:
    """Write a row for each key; the variable below it, where there is one."""
    described = schema if section is config.Settings else schema["$defs"][section.__name__]
    variables = variables_of(section) if section is config.Settings else {}
    rows = [["key, variable" if variables else "key", "value", "default", "meaning"]]
    for key, field in keys_of(section).items():
        default = _default_of(key, field, section=section, required=described.get("required", []))
        name = f"**{key}**<br>`{variables[key]}`" if variables else f"**{key}**"
        rows.append([name, _value_of(described["properties"][key]), default, str(field.description)])
    return table(*rows)


def _default_of(key: str, field: FieldInfo, *, section: Section, required: list[str]) -> str:
    """Say what counts when the key is not given."""
    if key in required:
        return "required"
    if section is config.TaskType and key in keys_of(config.Settings):
        return "as top level"
    kinds = [kind for kind, keys in REQUIRED_OF_KIND.items() if section is config.TaskType and key in keys]
    if kinds:
        return f"required for {' and '.join(f'`{kind}`' for kind in kinds)}"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Path):
        default = str(default)
    if isinstance(default, BaseModel):
        return "see below"
    if default in (None, {}, "", NEVER):
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _value_of(schema: dict[str, Any]) -> str:
    """Say in a few words which JSON values the key takes."""
    if "anyOf" in schema:
        return " or ".join(_value_of(choice) for choice in schema["anyOf"] if choice != {"type": "null"})
    if "$ref" in schema:
        return "object, see below"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return "array of objects, see below" if "$ref" in schema["items"] else f"array of {_value_of(schema['items'])}s"
    if schema["type"] == "object":
        return "object" if "properties" in schema else "object of strings"
    names = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "string"}
    return names[schema["type"]]
