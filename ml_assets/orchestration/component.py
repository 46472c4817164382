"""The component that turns a ``defs.yaml`` into definitions."""

from typing import Any

import dagster as dg
from dagster.components.core.defs_module import find_defs_or_component_yaml
from pydantic import BaseModel, ConfigDict

from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.resources import sharing
from ml_assets.spec.loader import load_spec, spec_from_mapping
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.reuse_schema import allow_reuse


class Attributes(BaseModel):
    """The attributes as they stand in the file: ``spec.loader`` judges them, with line and field.

    Dagster would check them against a model first, with errors that do not teach. The schema that
    ``dg check yaml``, ``dg docs`` and editors see is the declaration's own.
    """

    model_config = ConfigDict(extra="allow")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Describe the fields of a declared model, and list them where one is unknown."""
        schema = allow_reuse(ModelSpec.model_json_schema(*args, **kwargs))
        for part in (schema, *schema.get("$defs", {}).values()):
            if part.get("additionalProperties") is False:
                # Makes ``dg check yaml`` say which fields there are, not only which one is wrong.
                part["propertyNames"] = {"enum": list(part["properties"])}
        return schema


class ModelComponent(dg.Component):
    """Declare one model; get its feature tables, training set, model, versions and predictions.

    The attributes are the fields of ``ml_assets.spec.model.ModelSpec``. In Python the same is
    ``ModelComponent(ModelSpec(...))``, or ``build_model_defs(ModelSpec(...))`` without components.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Say what the component makes."""
        return dg.ComponentTypeSpec(
            description=cls.__doc__, produces=["asset", "asset_check", "job", "schedule", "sensor"]
        )

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Take any attributes; ``load`` judges them."""
        return Attributes

    @classmethod
    def load(
        cls, attributes: BaseModel | None, context: dg.ComponentLoadContext
    ) -> "ModelComponent":
        """Load the declaration; a leading dot in it means the folder's own package.

        Raises
        ------
        DeclarationError
            With everything that is wrong, each with file, line and field.
        """
        package = context.defs_relative_module_name(context.path)
        if file := find_defs_or_component_yaml(context.path):
            return cls(load_spec(file, package=package))
        given = attributes.model_dump() if attributes else {}
        return cls(spec_from_mapping(given, origin=cls.__name__, package=package))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Build the model's definitions."""
        return build_model_defs(self.spec, sharing=sharing())
