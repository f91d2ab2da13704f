"""Model families: one file each, one line in the registry."""

from services.encoder.families.base import Dimensions, Family, common_refusal
from services.encoder.families.bert import BertFamily
from services.encoder.families.distilbert import DistilBertFamily
from services.encoder.families.electra import ElectraFamily
from services.encoder.families.modernbert import ModernBertFamily
from services.encoder.families.roberta import RobertaFamily

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
