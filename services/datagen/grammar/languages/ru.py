"""Russian: subject, verb, object; case, gender and animacy; perfective verbs in the past and the future."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import CLOSING, Language, is_plural, is_woman, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять")
_ANIMATE_NUMERALS = {3: "трёх", 4: "четырёх"}
_PRONOUNS = {"I": ("я", "меня"), "we": ("мы", "нас"), "they": ("они", "их")}
# Forms by gender or number and case: nominative, accusative (inanimate), accusative (animate), prepositional.
_ONE = {
    "m": ("один", "один", "одного", "одном"),
    "f": ("одна", "одну", "одну", "одной"),
    "n": ("одно", "одно", "одно", "одном"),
}
_THIS = {
    "m": ("этот", "этот", "этого", "этом"),
    "f": ("эта", "эту", "эту", "этой"),
    "n": ("это", "это", "это", "этом"),
    "p": ("эти", "эти", "этих", "этих"),
}
_MANY = {"p": ("многие", "многие", "многих", "многих")}
_WHICH = {"m": ("который", "которого"), "f": ("которая", "которую"), "n": ("которое", "которое")}
_GENDERS = {"m": "Masc", "f": "Fem", "n": "Neut"}
_CASES = {"subject": "Nom", "object": "Acc", "place": "Loc"}
_PERSONS = {(1, "Sing"): 0, (3, "Sing"): 1, (1, "Plur"): 2, (3, "Plur"): 3}


def _table(stem: str, masculine: str, plural: str, soft: str = "о") -> dict[str, tuple[str, str, str, str]]:
    """Endings of an adjective: its stem's last letters, the masculine, the vowels of the plural and of the oblique."""
    m, f = stem + masculine, stem + "ая"
    return {
        "m": (m, m, f"{stem}{soft}го", f"{stem}{soft}м"),
        "f": (f, f"{stem}ую", f"{stem}ую", f"{stem}{soft}й"),
        "n": (f"{stem}{soft}е", f"{stem}{soft}е", f"{stem}{soft}е", f"{stem}{soft}м"),
        "p": (f"{stem}{plural}е", f"{stem}{plural}е", f"{stem}{plural}х", f"{stem}{plural}х"),
    }


_ENDINGS = {
    "ый": _table("", "ый", "ы"),
    "ой": _table("", "ой", "ы"),
    "ий": _table("", "ий", "и"),
    **{f"{stem}ий": _table(stem, "ий", "и", "е") for stem in "жчшщ"},
    **{f"{stem}ой": _table(stem, "ой", "и") for stem in "гкхжш"},
    "ний": {
        "m": ("ний", "ний", "него", "нем"),
        "f": ("няя", "нюю", "нюю", "ней"),
        "n": ("нее", "нее", "нее", "нем"),
        "p": ("ние", "ние", "них", "них"),
    },
}


class Russian(Language):
    """Russian."""

    tag = "ru"
    title = "Russian"
    order = "SVO"
    script = "cyrillic"

    def gender(self, phrase: NounPhrase) -> str:
        """m, f or n; with `+` where it is animate."""
        if isinstance(phrase, Common):
            return self.lexicon[phrase.noun][1] + ("+" if self._is_animate(phrase) else "")
        if isinstance(phrase, Name) and phrase.kind == "ORG":
            return self.lexicon[phrase.parts[1]][1]
        if isinstance(phrase, Name) and phrase.kind == "LOC":
            return "f"
        return "f+" if is_woman(phrase) else "m+"

    @staticmethod
    def _is_animate(phrase: NounPhrase) -> bool:
        if isinstance(phrase, Common):
            return concepts().nouns[phrase.noun].kind in {"person", "animal"}
        return isinstance(phrase, Pronoun) or phrase.kind == "PER"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner or numeral, adjective, noun; `в` before places."""
        inner = self._bare(phrase, role)
        if role != "place":
            return inner
        word = "на" if isinstance(phrase, Common) and self.lexicon[phrase.noun][-1].startswith("на ") else "в"
        return join(inner.head, [("core", Tok(word, word, "ADP"), "case"), ("core", inner, "")])

    def _bare(self, phrase: NounPhrase, role: str) -> Phrase:
        feats = {"Case": _CASES[role]}
        if isinstance(phrase, Pronoun):
            person, number = person_of(phrase)
            form = _PRONOUNS[phrase.person][role != "subject"]
            feats |= {"Person": str(person), "Number": number, "PronType": "Prs"}
            token = Tok(form, _PRONOUNS[phrase.person][0], "PRON", feats)
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            return self._name(phrase, role, feats | {"Gender": _GENDERS[self.gender(phrase)[0]], "Number": "Sing"})
        return self._common(phrase, role)

    def _name(self, phrase: Name, role: str, feats: dict[str, str]) -> Phrase:
        if phrase.kind == "ORG":
            lemma, _, accusative, place = self.lexicon[phrase.parts[1]]
            form = {"subject": lemma, "object": accusative, "place": place}[role]
            head = Tok(form, lemma, "NOUN", feats | {"Animacy": "Inan"}, ner="B-ORG")
            name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="I-ORG")
            quotes = self.punct("«"), self.punct("»")
            for quote in quotes:
                quote.ner, quote.deprel, quote.head = "I-ORG", "punct", name
            title = Phrase(name, [quotes[0], name, quotes[1]], [("core", [quotes[0], name, quotes[1]])])
            return join(head, [("core", head, ""), ("core", title, "appos")])
        first = self.spell(phrase.parts[0])
        if phrase.parts[0].endswith("-n"):
            first += {"subject": "", "object": "а", "place": "е"}[role]
        elif phrase.parts[0].endswith("-na"):
            first = first[:-1] + {"subject": "а", "object": "у", "place": "е"}[role]
        else:
            first = first[:-1] + {"subject": "я", "object": "ю", "place": "и"}[role]
        return self.named(phrase, [first, *(self.spell(key) for key in phrase.parts[1:])], feats)

    def _common(self, phrase: Common, role: str) -> Phrase:
        lemma, gender, genitive, plural, plural_genitive = self.lexicon[phrase.noun][:5]
        animate = self._is_animate(phrase)
        column = {"subject": 0, "object": 2 if animate else 1, "place": 3}[role]
        number = "p" if phrase.plural else gender
        case, noun_number = _CASES[role], "Plur" if phrase.plural else "Sing"
        governed = (
            phrase.det == "several"
            or (phrase.det == "many" and not animate)
            or (phrase.det == "count" and phrase.count >= 5)
        )
        if governed or (phrase.det == "count" and role == "object" and animate):
            form, adjective_column, case = plural_genitive, 2, "Gen"
        elif phrase.det == "count":
            form, adjective_column, case, noun_number = genitive, 2, "Gen", "Sing"
        elif phrase.plural:
            form = plural_genitive if role == "object" and animate else plural
            adjective_column = column
        else:
            form, adjective_column = self._singular(phrase, role), column
        feats = {
            "Case": case,
            "Gender": _GENDERS[gender],
            "Number": noun_number,
            "Animacy": "Anim" if animate else "Inan",
        }
        noun = Tok(form, lemma, "NOUN", feats)
        adjective = None
        if phrase.adjective:
            stem, ending = self.lexicon[phrase.adjective]
            table = _ENDINGS[ending]
            agreed = {"Case": case, "Number": "Plur" if phrase.plural else "Sing"}
            if not phrase.plural:
                agreed["Gender"] = _GENDERS[gender]
            adjective = Tok(stem + table[number][adjective_column], stem + table["m"][0], "ADJ", agreed)
        determiner, relation = self._determiner(phrase, role, number, column)
        items: list[Item] = [("core", determiner, relation), ("core", adjective, "amod"), ("core", noun, "")]
        return join(noun, items)

    def _singular(self, phrase: Common, role: str) -> str:
        lemma, gender, genitive = self.lexicon[phrase.noun][:3]
        if role == "subject":
            return lemma
        if role == "place":
            fields = self.lexicon[phrase.noun]
            return fields[5].removeprefix("на ") if len(fields) > 5 else self._prepositional(lemma, gender, genitive)
        if lemma[-1] in "ая":  # also men: мужчину, судью
            return lemma[:-1] + {"а": "у", "я": "ю"}[lemma[-1]]
        return genitive if gender == "m" and self._is_animate(phrase) else lemma

    @staticmethod
    def _prepositional(lemma: str, gender: str, genitive: str) -> str:
        if lemma.endswith(("ия", "ие", "ий")) or (gender == "f" and lemma.endswith("ь")):
            return genitive[:-1] + "и"
        return genitive[:-1] + "е"

    def _determiner(self, phrase: Common, role: str, number: str, column: int) -> tuple[Tok | None, str]:
        if phrase.det == "count":
            animate = role == "object" and self._is_animate(phrase)
            numeral = _NUMERALS[phrase.count - 3]
            form = _ANIMATE_NUMERALS.get(phrase.count, numeral) if animate else numeral
            return Tok(form, numeral, "NUM", {"NumType": "Card"}), "nummod:gov"
        if phrase.det == "several" or (phrase.det == "many" and not self._is_animate(phrase)):
            word = "несколько" if phrase.det == "several" else "много"
            return Tok(word, word, "NUM", {"NumType": "Card"}), "nummod:gov"
        if phrase.det == "the":
            return None, ""
        table = {"a": _ONE, "this": _THIS, "many": _MANY}[phrase.det]
        feats = {"Case": _CASES[role], "Number": "Plur" if phrase.plural else "Sing"}
        if not phrase.plural:
            feats["Gender"] = _GENDERS[number]
        lemma = {"a": "один", "this": "этот", "many": "многий"}[phrase.det]
        return Tok(table[number][column], lemma, "DET", feats), "det"

    def _finite(self, concept: str, subject: NounPhrase, tense: Tense) -> Tok:
        imperfective, present, perfective, past, future = self.lexicon[concept]
        person, number = person_of(subject)
        if tense == "past":
            masculine, feminine = (*past.split(" "), "")[:2]
            feminine = feminine or masculine + "а"
            gender = self.gender(subject)[0]
            reflexive = masculine.endswith("ся")
            neuter = feminine[:-3] + "ось" if reflexive else feminine[:-1] + "о"
            form = {"m": masculine, "f": feminine, "n": neuter}[gender]
            feats = {"Tense": "Past", "Number": number, "Aspect": "Perf" if perfective != imperfective else "Imp"}
            if is_plural(subject):
                form = feminine[:-3] + "ись" if reflexive else feminine[:-1] + "и"
            else:
                feats["Gender"] = _GENDERS[gender]
            return Tok(form, perfective, "VERB", feats | {"VerbForm": "Fin", "Mood": "Ind"})
        if tense == "future" and future == "=":
            return Tok(imperfective, imperfective, "VERB", {"VerbForm": "Inf", "Aspect": "Imp"})
        forms = (present if tense == "present" else future).split(" ")
        feats = {"Tense": "Pres" if tense == "present" else "Fut", "Person": str(person), "Number": number}
        feats |= {"Aspect": "Imp" if tense == "present" else "Perf", "VerbForm": "Fin", "Mood": "Ind"}
        lemma = imperfective if tense == "present" else perfective
        return Tok(forms[_PERSONS[person, number]], lemma, "VERB", feats)

    def _auxiliary(self, clause: Clause, subject: NounPhrase) -> Tok | None:
        """`будет` before an imperfective infinitive."""
        if clause.tense != "future" or self.lexicon[clause.verb][4] != "=":
            return None
        person, number = person_of(subject)
        feats = {"Tense": "Fut", "Person": str(person), "Number": number, "VerbForm": "Fin", "Mood": "Ind"}
        return Tok(("буду", "будет", "будем", "будут")[_PERSONS[person, number]], "быть", "AUX", feats)

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The noun, a comma, `который` in its case, the clause, a comma."""
        gender = self.lexicon[noun.noun][1]
        subject_relative = relative.role == "subject"
        form = _WHICH[gender][not subject_relative]
        if not subject_relative and gender == "m" and not self._is_animate(noun):
            form = "который"
        feats = {"Case": "Nom" if subject_relative else "Acc", "Gender": _GENDERS[gender], "Number": "Sing"}
        which = Tok(form, "который", "PRON", feats | {"PronType": "Rel"})
        agent: NounPhrase = noun
        if not subject_relative:
            assert relative.other is not None
            agent = relative.other
        verb = self._finite(relative.verb, agent, tense)
        other = self.np(relative.other, "object" if subject_relative else "subject", tense) if relative.other else None
        items: list[Item] = [
            ("comma", self.punct(","), "punct"),
            ("which", which, "nsubj" if subject_relative else "obj"),
            ("other", None if subject_relative else other, "nsubj"),
            ("v", verb, ""),
            ("other", other if subject_relative else None, "obj"),
            (CLOSING, self.punct(","), "punct"),
        ]
        clause = join(verb, items)
        verb.deprel, verb.head = "acl:relcl", core.head
        return Phrase(core.head, core.tokens + clause.tokens, [("core", core.tokens), *clause.parts])

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, time, manner, `не`, verb, object, place, content."""
        head = self._finite(clause.verb, clause.subject, clause.tense)
        subject = self.np(clause.subject, "subject", clause.tense)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, head)])

    def _rest(self, clause: Clause, head: Tok, asked: str = "", agent: NounPhrase | None = None) -> list[Item]:
        content = None
        mark: list[Item] = []
        if clause.content is not None:
            inner = self.clause(clause.content, "content")
            comma, that = self.punct(","), Tok("что", "что", "SCONJ")
            comma.deprel, comma.head = "punct", inner.head
            that.deprel, that.head = "mark", inner.head
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
            mark = [("comma", comma, ""), ("that", that, "")]
        closing = self.punct(",") if clause.content is not None else None
        place = self.np(clause.place, "place", clause.tense) if clause.place and asked != "place" else None
        object_ = self.np(clause.object, "object", clause.tense) if clause.object and asked != "object" else None
        time = self.time(clause.time) if clause.time and asked != "time" else None
        return [
            ("time", time, "advmod" if time and time.head.upos == "ADV" else "obl"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            ("ne", Tok("не", "не", "PART", {"Polarity": "Neg"}) if clause.negative else None, "advmod"),
            ("v", self._auxiliary(clause, agent or clause.subject), "aux"),
            ("v", head, ""),
            ("object", object_, "obj"),
            ("place", place, "obl"),
            *mark,
            ("content", content, "ccomp"),
            (CLOSING, closing, "punct"),
        ]

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """The main clause, a comma, the conjunction, the other clause."""
        words = {"and": "и", "but": "но", "because": "потому что", "when": "когда"}[statement.link].split(" ")
        coordinated = statement.link in {"and", "but"}
        first = Tok(words[0], words[0], "CCONJ" if coordinated else "ADV" if len(words) > 1 else "SCONJ")
        rest = [Tok(word, word, "SCONJ") for word in words[1:]]
        comma = self.punct(",")
        conjunction = join(first, [("link", first, ""), *(("link", word, "fixed") for word in rest)])
        comma.deprel, comma.head = "punct", second.head
        first.deprel, first.head = "cc" if coordinated else "mark", second.head
        items: list[Item] = [
            ("main", main, ""),
            ("comma", comma, ""),
            ("link", conjunction, ""),
            ("second", second, "conj" if coordinated else "advcl"),
        ]
        return join(main.head, items)

    def time(self, time: str) -> Phrase:
        """Words of the lexicon, or `в 1987 году`."""
        if year := year_of(time):
            number = Tok(str(year), str(year), "ADJ", {"NumType": "Ord"})
            unit = Tok("году", "год", "NOUN", {"Case": "Loc", "Number": "Sing", "Gender": "Masc"})
            items: list[Item] = [
                ("time", Tok("в", "в", "ADP"), "case"),
                ("time", number, "amod"),
                ("time", unit, ""),
            ]
            return join(unit, items)
        tokens = []
        for word in self.lexicon[time][0].split(" "):
            form, _, upos = word.partition("/")
            tokens.append(Tok(form, form, upos))
        relations = {"DET": "det", "ADJ": "amod", "ADP": "case"}
        items = [("time", token, relations.get(token.upos, "")) for token in tokens]
        return join(tokens[-1], items)

    def manner(self, manner: str) -> Tok:
        """An adverb."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word first, the rest as in a statement."""
        asking: NounPhrase | None = {"subject": clause.subject, "object": clause.object}.get(asked)
        if asking is None:
            word, upos, relation = {"place": "где", "time": "когда"}[asked], "ADV", "advmod"
        else:
            person = not isinstance(asking, Common) or concepts().nouns[asking.noun].kind in {"person", "animal"}
            word = ("кто" if asked == "subject" else "кого") if person else "что"
            upos, relation = "PRON", "nsubj" if asked == "subject" else "obj"
        agent: NounPhrase = Common("teacher") if asked == "subject" else clause.subject
        if asking is not None and asked == "subject" and word == "что":
            agent = Common("building")
        head = self._finite(clause.verb, agent, clause.tense)
        who = Tok(word, "кто" if word == "кого" else word, upos, {"PronType": "Int"})
        subject = None if asked == "subject" else self.np(clause.subject, "subject", clause.tense)
        items: list[Item] = [
            ("who", who, relation),
            ("subject", subject, "nsubj"),
            *self._rest(clause, head, asked, agent),
        ]
        return join(head, items)
