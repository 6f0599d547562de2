"""What every object of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.fields import ComputedFieldInfo, FieldInfo


def _title(name: str, field: FieldInfo | ComputedFieldInfo) -> str:
    return str(field.validation_alias) if isinstance(field, FieldInfo) else name


class Section(BaseModel):
    """An object of the file. Python code may also give the fields by their own names."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        field_title_generator=_title,
    )
