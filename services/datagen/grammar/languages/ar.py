"""Arabic: verb, subject, object; the verb shows gender before its subject, pronouns are suffixes, adjectives agree.

Unvocalised. Clauses after `أن` and `لأن` begin with a verb too: the particle takes a pronoun, or an empty one.
"""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language, is_woman, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = {
    "m": ("ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة", "عشرة"),
    "f": ("ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع", "عشر"),
}
_PRONOUNS = {"I": ("أنا", "ني"), "we": ("نحن", "نا"), "they": ("هم", "هم")}
_CASES = {"subject": "Nom", "object": "Acc", "place": "Gen"}
_GENDERS = {"m": "Masc", "f": "Fem"}
_PARTICLES = {"content_an": "أن", "content_in": "إن", "because": "لأن"}
_PREFIXES = {"m": "ي", "f": "ت", "I": "أ", "we": "ن", "they": "ي"}
_UNCHANGED = ("ة", "اء", "ى", "ا", "أ")
_DEFINITE = {"الامرأة": "المرأة"}


class Arabic(Language):
    """Modern Standard Arabic."""

    tag = "ar"
    title = "Arabic"
    order = "VSO"
    script = "arabic"
    cased = False
    content_modes = ("content_an", "content_in")
    question_mark = "؟"

    def gender(self, phrase: NounPhrase) -> str:
        """The gender that a verb before it shows: m or f."""
        if isinstance(phrase, Common):
            gender = self.lexicon[phrase.noun][1]
            if phrase.det == "many":
                return "m"
            if phrase.plural and phrase.det in {"the", "this"}:
                return gender if self._is_human(phrase) else "f"
            return gender
        if isinstance(phrase, Name) and phrase.kind == "ORG":
            return self.lexicon[phrase.parts[1]][1]
        return "f" if is_woman(phrase) or (isinstance(phrase, Name) and phrase.kind == "LOC") else "m"

    @staticmethod
    def _is_human(phrase: Common) -> bool:
        return concepts().nouns[phrase.noun].kind == "person"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner or numeral, noun, adjective; `في` before places; pronouns as objects are suffixes."""
        feats = {"Case": _CASES[role]}
        if isinstance(phrase, Pronoun):
            person, number = person_of(phrase)
            form = _PRONOUNS[phrase.person][role != "subject"]
            feats |= {"Person": str(person), "Number": number, "PronType": "Prs"}
            token = Tok(form, _PRONOUNS[phrase.person][0], "PRON", feats)
            return join(token, [("core", token, "")])
        inner = self._name(phrase, feats) if isinstance(phrase, Name) else self._common(phrase, role)
        if role != "place":
            return inner
        return join(inner.head, [("core", Tok("في", "في", "ADP"), "case"), ("core", inner, "")])

    def _name(self, phrase: Name, feats: dict[str, str]) -> Phrase:
        if phrase.kind != "ORG":
            return self.named(phrase, [self.spell(key) for key in phrase.parts], {"Number": "Sing"})
        kind, gender = self.lexicon[phrase.parts[1]]
        feats = feats | {"Gender": _GENDERS[gender], "Number": "Sing", "Definite": "Cons"}
        head = Tok(kind, kind, "NOUN", feats, ner="B-ORG")
        name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="I-ORG")
        return join(head, [("core", head, ""), ("core", name, "nmod")])

    def _common(self, phrase: Common, role: str) -> Phrase:
        lemma, gender, plural, defective = (*self.lexicon[phrase.noun], "")[:4]
        definite = phrase.det in {"the", "this", "many"}
        case = "Gen" if phrase.det in {"many", "several", "count"} else _CASES[role]
        form = plural if phrase.plural else lemma
        if phrase.plural:
            form = self._oblique(form, lemma) if case != "Nom" else form
        article = "ال" if definite else ""
        feats = {
            "Case": case,
            "Definite": "Def" if definite else "Ind",
            "Gender": _GENDERS[gender],
            "Number": "Plur" if phrase.plural else "Sing",
        }
        accusative = case == "Acc" and not definite
        if defective == ("pl" if phrase.plural else "sg") and (definite or accusative):
            form += "ي"  # قاض, القاضي, قاضيا
        form = article + (self._nunated(form) if accusative else form)
        noun = Tok(_DEFINITE.get(form, form), lemma, "NOUN", feats)
        adjective = None
        if phrase.adjective:
            word, agreed = self._adjective(phrase, gender, case)
            if accusative and not self._is_diptote(phrase.adjective):
                word = self._nunated(word)
            adjective = Tok(article + word, self.lexicon[phrase.adjective][0], "ADJ", feats | agreed)
        items: list[Item] = [
            *self._determiner(phrase, gender),
            ("core", noun, ""),
            ("core", adjective, "amod"),
        ]
        return join(noun, items)

    @staticmethod
    def _oblique(plural: str, singular: str) -> str:
        """The genitive and accusative of a plural in -ūn; عيون is none, it does not begin as its singular does."""
        stem = plural.removesuffix("ون")
        sound = stem == singular or (singular.endswith("ء") and stem[:-1] == singular[:-1])
        return stem + "ين" if sound and stem != plural else plural

    @staticmethod
    def _nunated(form: str) -> str:
        """The indefinite accusative, where it is written."""
        if form.endswith("يء"):
            return form[:-1] + "ئا"
        return form if form.endswith(_UNCHANGED) else form + "ا"

    def _is_diptote(self, adjective: str) -> bool:
        """Colours and their like: أحمر, حمراء."""
        masculine, feminine = self.lexicon[adjective][:2]
        return masculine.startswith("أ") and feminine.endswith("اء")

    def _adjective(self, phrase: Common, gender: str, case: str) -> tuple[str, dict[str, str]]:
        masculine, feminine, *plural = self.lexicon[phrase.adjective]
        if not phrase.plural:
            return (masculine if gender == "m" else feminine), {}
        if not self._is_human(phrase):
            return feminine, {"Gender": "Fem", "Number": "Sing"}
        if gender == "f":
            return feminine[:-1] + ("وات" if feminine.endswith("اء") else "ات"), {}
        many = plural[0] if plural else masculine + "ون"
        return (many if case == "Nom" else self._oblique(many, masculine)), {}

    def _determiner(self, phrase: Common, gender: str) -> list[Item]:
        if phrase.det == "count":
            numeral = _NUMERALS[gender][phrase.count - 3]
            return [("core", Tok(numeral, _NUMERALS["m"][phrase.count - 3], "NUM", {"NumType": "Card"}), "nummod")]
        if phrase.det == "several":
            return [("core", Tok("عدة", "عدة", "DET", {"PronType": "Ind"}), "det")]
        if phrase.det == "many":
            many, of = Tok("الكثير", "كثير", "DET", {"PronType": "Ind"}), Tok("من", "من", "ADP")
            return [("core", join(many, [("core", many, ""), ("core", of, "fixed")]), "det")]
        if phrase.det == "this":
            human = phrase.plural and self._is_human(phrase)
            feminine = gender == "f" or phrase.plural
            form = "هؤلاء" if human else "هذه" if feminine else "هذا"
            return [("core", Tok(form, "هذا", "DET", {"PronType": "Dem"}), "det")]
        return []

    # Verbs

    def _slot(self, subject: NounPhrase) -> str:
        """Which form of the verb a subject asks for: m, f, I, we or they."""
        return subject.person if isinstance(subject, Pronoun) else self.gender(subject)

    def _form(self, concept: str, slot: str, tense: Tense, *, negative: bool, suffixed: bool) -> str:
        past, stem, present, jussive = (*self.lexicon[concept], "")[:4]
        if tense == "past" and not negative:
            form = self._past(past, stem, slot)
        else:
            shortened = tense == "past"
            base = (jussive or present) if shortened and slot != "they" else present
            prefix = _PREFIXES[slot]
            form = "آ" + base[1:] if slot == "I" and base.startswith("أ") else prefix + base
            if slot == "they":
                form = self._plural(form) + ("ون" if tense == "present" or not negative else "وا")
            if tense == "future" and not negative:
                form = "س" + form
        return self._before_suffix(form, indicative=tense != "past" and not negative) if suffixed else form

    @staticmethod
    def _past(past: str, stem: str, slot: str) -> str:
        if slot == "I":
            return stem.removesuffix("ت") + "ت"
        if slot == "we":
            return stem.removesuffix("ن") + "نا"
        if slot == "f":
            return (past[:-1] if past.endswith("ى") else past) + "ت"
        return Arabic._plural(past) + "وا" if slot == "they" else past

    @staticmethod
    def _plural(form: str) -> str:
        """A verb before the و of the plural."""
        if form.endswith(("ى", "ي")):
            return form[:-1]
        return form[:-1] + "ؤ" if form.endswith("أ") else form

    @staticmethod
    def _before_suffix(form: str, *, indicative: bool) -> str:
        """A verb before a pronoun: رأى and رآه, قرؤوا and قرؤوه, يقرأ and يقرؤه."""
        if form.endswith("أى"):
            return form[:-2] + "آ"
        if form.endswith("ى"):
            return form[:-1] + "ا"
        if form.endswith("وا"):
            return form[:-1]
        return form[:-1] + "ؤ" if indicative and form.endswith("أ") else form

    def _verb(
        self, concept: str, subject: NounPhrase, tense: Tense, *, negative: bool = False, suffixed: bool = False
    ) -> tuple[list[Item], Tok]:
        slot = self._slot(subject)
        form = self._form(concept, slot, tense, negative=negative, suffixed=suffixed)
        person, number = person_of(subject)
        if not isinstance(subject, Pronoun):
            number = "Sing"  # before its subject the verb is singular
        name = {"past": "Past", "present": "Pres", "future": "Fut"}[tense]
        feats = {"Tense": name, "Person": str(person), "Number": number, "VerbForm": "Fin"}
        if person == 3:
            feats["Gender"] = _GENDERS["f" if slot == "f" else "m"]
        head = Tok(form, self.lexicon[concept][0], "VERB", feats, glued=suffixed)
        word = {"past": "لم", "present": "لا", "future": "لن"}[tense]
        negation = Tok(word, word, "PART", {"Polarity": "Neg"}) if negative else None
        return [("v", negation, "advmod"), ("v", head, "")], head

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The noun, `الذي` or `التي`, the clause; as an object the noun comes back as a pronoun."""
        gender = self.lexicon[noun.noun][1]
        form = "الذي" if gender == "m" else "التي"
        which = Tok(form, "الذي", "PRON", {"PronType": "Rel", "Gender": _GENDERS[gender], "Number": "Sing"})
        if relative.role == "subject":
            suffixed = isinstance(relative.other, Pronoun)
            verb, head = self._verb(relative.verb, noun, tense, suffixed=suffixed)
            other = self.np(relative.other, "object", tense) if relative.other else None
            items: list[Item] = [("which", which, "nsubj"), *verb, ("other", other, "obj")]
        else:
            assert relative.other is not None
            verb, head = self._verb(relative.verb, relative.other, tense, suffixed=True)
            back = Tok("ه" if gender == "m" else "ها", "هو", "PRON", {"Person": "3", "PronType": "Prs"})
            other = self.np(relative.other, "subject", tense)
            items = [("which", which, "mark"), *verb, ("back", back, "obj"), ("other", other, "nsubj")]
        clause = join(head, items)
        head.deprel, head.head = "acl:relcl", core.head
        return Phrase(core.head, core.tokens + clause.tokens, [("core", core.tokens), *clause.parts])

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Verb, subject, object, manner, place, time, content; pronouns stand before their verb."""
        suffixed = isinstance(clause.object, Pronoun)
        verb, head = self._verb(clause.verb, clause.subject, clause.tense, negative=clause.negative, suffixed=suffixed)
        first: list[Item] = []
        early = isinstance(clause.subject, Pronoun) and mode != "when"
        particle = _PARTICLES.get(mode)
        if particle:
            first.append(("particle", Tok(particle, particle, "SCONJ", glued=True), "mark"))
            if not early:
                empty = Tok("ه", "هو", "PRON", {"Person": "3", "Gender": "Masc", "Number": "Sing", "PronType": "Prs"})
                first.append(("empty", empty, "expl"))
        subject = self.np(clause.subject, "object" if early and particle else "subject", clause.tense)
        pronoun = self.np(clause.object, "object", clause.tense) if suffixed and clause.object else None
        items: list[Item] = [
            *first,
            ("subject", subject if early else None, "nsubj"),
            *verb,
            ("object", pronoun, "obj"),
            ("subject", None if early else subject, "nsubj"),
            *self._rest(clause, object_=not suffixed),
        ]
        return join(head, items)

    def _rest(self, clause: Clause, *, object_: bool = True, asked: str = "") -> list[Item]:
        content = None
        if clause.content is not None:
            inner = self.clause(clause.content, f"content_{self.lexicon[clause.verb][-1]}")
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
        thing = self.np(clause.object, "object", clause.tense) if clause.object and object_ else None
        place = self.np(clause.place, "place", clause.tense) if clause.place and asked != "place" else None
        time = self.time(clause.time) if clause.time and asked != "time" else None
        return [
            ("object", thing, "obj"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            ("place", place, "obl"),
            ("time", time, "advmod" if time and time.head.upos == "ADV" else "obl"),
            ("content", content, "ccomp"),
        ]

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """`S و S`, `S، لكن S`, `S لأنه S`, `S عندما S`."""
        if statement.link == "because":
            return join(main.head, [("main", main, ""), ("second", second, "advcl")])
        word = {"and": "و", "but": "لكن", "when": "عندما"}[statement.link]
        coordinated = statement.link != "when"
        conjunction = Tok(word, word, "CCONJ" if coordinated else "SCONJ", glued=word == "و")
        conjunction.deprel, conjunction.head = "cc" if coordinated else "mark", second.head
        comma = self.punct("،") if word == "لكن" else None
        if comma:
            comma.deprel, comma.head = "punct", second.head
        items: list[Item] = [
            ("main", main, ""),
            ("comma", comma, ""),
            ("link", conjunction, ""),
            ("second", second, "conj" if coordinated else "advcl"),
        ]
        return join(main.head, items)

    def time(self, time: str) -> Phrase:
        """Words of the lexicon, or `في عام 1987`."""
        if year := year_of(time):
            head = Tok("عام", "عام", "NOUN", {"Case": "Gen", "Definite": "Cons"})
            number = Tok(str(year), str(year), "NUM", {"NumType": "Card"})
            items: list[Item] = [
                ("time", Tok("في", "في", "ADP"), "case"),
                ("time", head, ""),
                ("time", number, "nummod"),
            ]
            return join(head, items)
        tokens = []
        for word in self.lexicon[time][0].split(" "):
            form, _, upos = word.partition("/")
            tokens.append(Tok(form, form, upos))
        head = next(token for token in tokens if token.upos in {"NOUN", "ADV"})
        items = [("time", token, {"DET": "det", "ADJ": "amod"}.get(token.upos, "")) for token in tokens]
        return join(head, items)

    def manner(self, manner: str) -> Tok:
        """A noun with `ب`, which is an adverb."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """`من قرأ`, `ماذا قرأ`, `من الذي رآه`, `أين`, `متى`."""
        agent: NounPhrase = Common("teacher") if asked == "subject" else clause.subject
        thing = {"subject": clause.subject, "object": clause.object}.get(asked)
        person = not isinstance(thing, Common) or self._is_human(thing)
        suffixed = asked == "object" and person
        verb, head = self._verb(clause.verb, agent, clause.tense, suffixed=suffixed)
        words = {"place": ["أين"], "time": ["متى"], "subject": ["من"] if person else ["ما", "الذي"]}.get(
            asked, ["من", "الذي"] if person else ["ماذا"]
        )
        upos = "ADV" if asked in {"place", "time"} else "PRON"
        relation = {"subject": "nsubj", "object": "obj"}.get(asked, "advmod")
        first = Tok(words[0], words[0], upos, {"PronType": "Int"})
        rest = [Tok(word, word, "PRON", {"PronType": "Rel"}) for word in words[1:]]
        who = join(first, [("who", first, ""), *(("who", word, "fixed") for word in rest)])
        subject = None if asked == "subject" else self.np(clause.subject, "subject", clause.tense)
        back = Tok("ه", "هو", "PRON", {"Person": "3", "PronType": "Prs"}) if suffixed else None
        items: list[Item] = [
            ("who", who, "dislocated" if suffixed else relation),
            *verb,
            ("back", back, "obj"),
            ("subject", subject, "nsubj"),
            *self._rest(clause, object_=asked != "object", asked=asked),
        ]
        return join(head, items)
