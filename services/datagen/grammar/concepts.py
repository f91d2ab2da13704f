"""The abstract lexicon: concepts with their classes, domains and hypernyms, and what verbs ask of their arguments."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEXICA = Path(__file__).parent / "lexica"
DOMAINS = {"everyday": "e", "nature": "n"}
PAST_YEARS = range(1900, 2021)
FUTURE_YEARS = range(2030, 2101)
ANY = "any"
NO_OBJECT = "-"
CLAUSE = "*"


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun concept: its class, the letters of its domains, and its hypernyms."""

    id: str
    kind: str
    domains: str
    hypernyms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb concept: classes of its subjects and objects, `-` for no object, `*` for a clause, `any` for any noun."""

    id: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    domains: str

    @property
    def transitive(self) -> bool:
        """Whether it takes a noun phrase as object."""
        return self.objects[0] not in {NO_OBJECT, CLAUSE}

    @property
    def takes_clause(self) -> bool:
        """Whether it takes a clause."""
        return self.objects[0] == CLAUSE


@dataclass(frozen=True, slots=True)
class Concepts:
    """All concepts, in order of their rank."""

    nouns: dict[str, Noun]
    verbs: dict[str, Verb]
    adjectives: dict[str, tuple[str, ...]]
    manners: tuple[str, ...]
    times: dict[str, str]
    organisations: tuple[str, ...]


def rows(path: Path) -> list[list[str]]:
    """Fields of a word list: one entry a line, separated by tabs; `#` begins a comment line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]


@cache
def concepts() -> Concepts:
    """Reads the abstract lexicon, once."""
    found = Concepts({}, {}, {}, (), {}, ())
    manners: list[str] = []
    organisations: list[str] = []
    for category, name, *fields in rows(LEXICA / "concepts.tsv"):
        if category == "noun":
            hypernyms = tuple(filter(None, fields[2].split(",")))
            found.nouns[name] = Noun(name, fields[0], fields[1], hypernyms)
        elif category == "verb":
            found.verbs[name] = Verb(name, tuple(fields[0].split(",")), tuple(fields[1].split(",")), fields[2])
        elif category == "adjective":
            found.adjectives[name] = tuple(fields[0].split(","))
        elif category == "time":
            found.times[name] = fields[0]
        elif category == "manner":
            manners.append(name)
        else:
            organisations.append(name)
    return Concepts(found.nouns, found.verbs, found.adjectives, tuple(manners), found.times, tuple(organisations))


def year_of(time: str) -> int:
    """The year of a time such as `in_1987`; 0 where it names no year."""
    return int(time[3:]) if time.startswith("in_") else 0
