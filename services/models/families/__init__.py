"""Model families: one file each, one line in the registry."""

from services.models.families.albert import AlbertFamily
from services.models.families.base import Dimensions, Family, common_refusal
from services.models.families.bert import BertFamily
from services.models.families.distilbert import DistilBertFamily
from services.models.families.electra import ElectraFamily
from services.models.families.eurobert import EuroBertFamily
from services.models.families.modernbert import ModernBertFamily
from services.models.families.rembert import RemBertFamily
from services.models.families.roberta import RobertaFamily
from services.models.families.separable import SeparableFamily
from services.models.families.static import StaticFamily
from services.models.families.xlm_roberta_xl import XlmRobertaXlFamily

FAMILIES: dict[str, Family] = {
    "albert": AlbertFamily(),
    "bert": BertFamily(),
    "camembert": RobertaFamily(),
    "distilbert": DistilBertFamily(),
    "electra": ElectraFamily(),
    "eurobert": EuroBertFamily(),
    "modernbert": ModernBertFamily(),
    "rembert": RemBertFamily(),
    "roberta": RobertaFamily(),
    "separable": SeparableFamily(),
    "static": StaticFamily(),
    "xlm-roberta": RobertaFamily(),
    "xlm-roberta-xl": XlmRobertaXlFamily(),
}
"""Model type of config.json to family: transformers' own, and two of this project."""

__all__ = ["FAMILIES", "Dimensions", "Family", "common_refusal"]
