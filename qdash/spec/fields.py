"""The types of a spec's fields: text that makes a member of a family, checked before anything is loaded."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qdash.registry import member_of, source_of
from qdash.sources import absolute_path

Scheme = Literal["symmetric", "affine"]
MemoryFormat = Literal["auto", "contiguous"]

Model = Annotated[str, Field(min_length=1), source_of("models")]
Data = Annotated[str, Field(min_length=1), source_of("datasets")]
Observer = Annotated[str, member_of("observers")]
Format = Annotated[str, member_of("formats")]
Granularity = Annotated[str, member_of("granularities")]
Mode = Annotated[str, member_of("modes")]
Method = Annotated[str, member_of("methods")]
Metric = Annotated[str, member_of("metrics")]
Executor = Annotated[str, member_of("executors")]
File = Annotated[str, AfterValidator(absolute_path)]

AUTO: Literal["auto"] = "auto"
