"""HTML from templates: every value is escaped, and a value that a template asks for and does not get is an error."""

from functools import cache
from typing import TYPE_CHECKING, Any

from babelscope.report.names import language_name

if TYPE_CHECKING:
    from jinja2 import Environment


def render_template(name: str, **values: Any) -> str:
    """A template of `report/templates/` with its values.

    Raises:
        ImportError: Jinja2 is not installed (extra `report`).
        jinja2.UndefinedError: The template reads a value that it was not given.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("babelscope", "report/templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"language": language_name, "thousands": "{:,}".format}
    # `tojson` escapes what means something to HTML, so that no text of a study ends the script element around it.
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    return made
