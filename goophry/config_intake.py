"""Where tasks come from beside Redis: the keys of Intake."""

from typing import Annotated

from pydantic import Field

from goophry.config_section import Section
from goophry.config_types import FilledText


class IntakeKafka(Section):
    """Tasks that come through Kafka: see docs/kafka.md."""

    servers: FilledText = Field(
        validation_alias="Servers", description="Brokers to begin with, as `host:9092,host2:9092`; without TLS."
    )
    group: FilledText = Field(
        "goophry", validation_alias="Group", description="Consumer group; instances of one group share the messages."
    )
    topics: Annotated[dict[FilledText, FilledText], Field(min_length=1)] = Field(
        validation_alias="Topics", description='Task type of each topic, as `{"thumbnails":"resize"}`.'
    )


class IntakeSection(Section):
    """Other ways for tasks to come in."""

    kafka: IntakeKafka | None = Field(
        None, validation_alias="Kafka", description="Tasks that come through Kafka; needs the extra `kafka`."
    )
