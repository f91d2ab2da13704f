"""Model families: one file each, one line in the registry."""

from services.models.families.base import Dimensions, Family, common_refusal
from services.models.families.bert import BertFamily
from services.models.families.distilbert import DistilBertFamily
from services.models.families.electra import ElectraFamily
from services.models.families.modernbert import ModernBertFamily
from services.models.families.roberta import RobertaFamily

FAMILIES: dict[str, Family] = {
    "bert": BertFamily(),
    "camembert": RobertaFamily(),
    "distilbert": DistilBertFamily(),
    "electra": ElectraFamily(),
    "modernbert": ModernBertFamily(),
    "roberta": RobertaFamily(),
    "xlm-roberta": RobertaFamily(),
}
"""transformers' model type to family."""

__all__ = ["FAMILIES", "Dimensions", "Family", "common_refusal"]
