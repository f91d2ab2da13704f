"""Turkish: subject, object, verb; vowel harmony, case, agreement; subordinate clauses are nominal forms of the verb."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("üç", "dört", "beş", "altı", "yedi", "sekiz", "dokuz", "on")
_PRONOUNS = {
    "I": {"subject": "ben", "object": "beni", "owner": "benim", "place": "bende"},
    "we": {"subject": "biz", "object": "bizi", "owner": "bizim", "place": "bizde"},
    "they": {"subject": "onlar", "object": "onları", "owner": "onların", "place": "onlarda"},
}
_CASE_NAMES = {"subject": "Nom", "object": "Acc", "owner": "Gen", "place": "Loc"}
_VOWELS = "aâıoueiöü"
_CLOSE = dict(zip(_VOWELS, "ıııuuiiüü", strict=True))
_OPEN = dict(zip(_VOWELS, "aaaaaeeee", strict=True))
_FRONTED = dict(zip("aeıiuü", "eeiiüü", strict=True))
_VOICELESS = "çfhkpsşt"
_INDEFINITE = frozenset({"a", "many", "several", "count"})


def close(stem: str) -> str:
    """The close vowel (ı, i, u, ü) that goes with a stem's last vowel."""
    return _CLOSE[_last_vowel(stem)]


def wide(stem: str) -> str:
    """The open vowel (a, e) that goes with a stem's last vowel."""
    return _OPEN[_last_vowel(stem)]


def _last_vowel(stem: str) -> str:
    return next(letter for letter in reversed(stem.lower()) if letter in _VOWELS)


def _stop(stem: str) -> str:
    """The d of a suffix, which is t after a voiceless consonant."""
    return "t" if stem[-1] in _VOICELESS else "d"


def inflect(stem: str, soft: str, role: str, *, possessed: bool = False, mark: str = "", front: bool = False) -> str:
    """A noun in a case.

    Args:
        stem: The form before consonants.
        soft: The form before vowels: `kitab` of `kitap`.
        role: `subject`, `object`, `owner` or `place`.
        possessed: Whether it ends in a possessive suffix of the third person, after which an n stands.
        mark: Apostrophe of a proper name.
        front: Whether its suffixes have front vowels against the harmony: `saati` of `saat`.
    """
    vowel_final = stem[-1] in _VOWELS
    open_, close_ = (_FRONTED[wide(stem)], _FRONTED[close(stem)]) if front else (wide(stem), close(stem))
    if role == "subject":
        return stem
    if role == "place":
        return stem + mark + ("n" if possessed else "") + ("d" if possessed else _stop(stem)) + open_
    if role == "object":
        link = "n" if possessed else "y" if vowel_final else ""
        return soft + mark + link + close_
    return soft + mark + ("n" if vowel_final else "") + close_ + "n"


class Turkish(Language):
    """Turkish."""

    tag = "tr"
    title = "Turkish"
    order = "SOV"
    content_modes = ("content_acc", "content_dat")
    roles = ("subject", "object", "owner", "place")

    def capital(self, form: str) -> str:
        """A capital; i has its dot."""
        return ("İ" if form[0] == "i" else form[0].upper()) + form[1:]

    def uncapital(self, form: str) -> str:
        """A small letter; I has no dot."""
        return {"İ": "i", "I": "ı"}.get(form[0], form[0].lower()) + form[1:]

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner, adjective, noun; `bir` stands after the adjective; nouns after numerals are singular."""
        feats = {"Case": _CASE_NAMES[role]}
        if isinstance(phrase, Pronoun):
            person, number = person_of(phrase)
            form = _PRONOUNS[phrase.person][role]
            feats |= {"Person": str(person), "Number": number, "PronType": "Prs"}
            token = Tok(form, _PRONOUNS[phrase.person]["subject"], "PRON", feats)
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            return self._name(phrase, role, feats | {"Number": "Sing"})
        lemma, soft, trait = (*self.lexicon[phrase.noun], "", "")[:3]
        stem, bound, front = lemma, trait == "bound", trait == "front"
        plural = phrase.plural and phrase.det in {"the", "this"}
        if plural:
            bare = soft if bound else stem
            several = f"{bare}l{_FRONTED[wide(bare)] if front else wide(bare)}r"
            stem, soft, front = several + (close(several) if bound else ""), "", False
        soft = stem if bound else soft or stem
        indefinite = role == "object" and phrase.det in _INDEFINITE
        form = stem if indefinite else inflect(stem, soft, role, possessed=bound, front=front)
        feats = {"Case": "Nom" if indefinite else feats["Case"], "Number": "Plur" if plural else "Sing"}
        noun = Tok(form, lemma, "NOUN", feats)
        word = self.lexicon[phrase.adjective][0] if phrase.adjective else ""
        adjective = Tok(word, word, "ADJ") if word else None
        one = Tok("bir", "bir", "DET", {"Definite": "Ind", "PronType": "Art"}) if phrase.det == "a" else None
        items: list[Item] = [
            ("core", self._determiner(phrase), "nummod" if phrase.det == "count" else "det"),
            ("core", adjective, "amod"),
            ("core", one, "det"),
            ("core", noun, ""),
        ]
        return join(noun, items)

    @staticmethod
    def _determiner(phrase: Common) -> Tok | None:
        if phrase.det == "count":
            numeral = _NUMERALS[phrase.count - 3]
            return Tok(numeral, numeral, "NUM", {"NumType": "Card"})
        word = {"this": "bu", "many": "birçok", "several": "birkaç"}.get(phrase.det)
        return Tok(word, word, "DET", {"PronType": "Dem" if word == "bu" else "Ind"}) if word else None

    def _name(self, phrase: Name, role: str, feats: dict[str, str]) -> Phrase:
        if phrase.kind != "ORG":
            spelled = [self.spell(key) for key in phrase.parts]
            spelled[-1] = inflect(spelled[-1], spelled[-1], role, mark="’")
            return self.named(phrase, spelled, feats)
        kind = self.lexicon[phrase.parts[1]][0]
        name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", {"Case": "Nom"}, ner="B-ORG")
        form = inflect(kind, kind, role, possessed=True)
        head = Tok(form, kind, "PROPN", feats | {"Person[psor]": "3"}, ner="I-ORG")
        return join(head, [("core", name, "nmod:poss"), ("core", head, "")])

    # Verbs

    def _negated(self, stem: str, *, negative: bool) -> str:
        return f"{stem}m{wide(stem)}" if negative else stem

    def _finite(self, concept: str, subject: NounPhrase, tense: Tense, *, negative: bool) -> Tok:
        stem, soft = self._stems(concept)
        person = subject.person if isinstance(subject, Pronoun) else ""
        if tense == "past":
            full = self._negated(stem, negative=negative)
            base = f"{full}{_stop(full)}{close(full)}"
            ending = {"I": "m", "we": "k", "they": f"l{wide(base)}r", "": ""}[person]
            return self._verb_token(base + ending, concept, subject, "Past", negative=negative)
        if tense == "present":
            base = f"{stem}m{close(stem)}yor" if negative else self._progressive(soft)
            ending = {"I": "um", "we": "uz", "they": "lar", "": ""}[person]
            return self._verb_token(base + ending, concept, subject, "Pres", negative=negative)
        full = self._negated(stem, negative=True) if negative else soft
        vowel = wide(full)
        base = f"{full}{'y' if full[-1] in _VOWELS else ''}{vowel}c{vowel}"
        ending = {"I": f"ğ{close(base)}m", "we": f"ğ{close(base)}z", "they": f"kl{vowel}r", "": "k"}[person]
        return self._verb_token(base + ending, concept, subject, "Fut", negative=negative)

    @staticmethod
    def _progressive(soft: str) -> str:
        """The stem with -Iyor; an open vowel before it gives way: başla-, başlıyor."""
        if soft[-1] in "ae":
            return soft[:-1] + close(soft[:-1]) + "yor"
        return soft + ("" if soft[-1] in _VOWELS else close(soft)) + "yor"

    def _verb_token(self, form: str, concept: str, subject: NounPhrase, tense: str, *, negative: bool) -> Tok:
        person, number = person_of(subject)
        if not isinstance(subject, Pronoun):
            number = "Sing"  # the verb of a plural noun stays singular
        feats = {"Tense": tense, "Person": str(person), "Number": number, "Polarity": "Neg" if negative else "Pos"}
        return Tok(form, self._lemma(concept), "VERB", feats)

    def _stems(self, concept: str) -> tuple[str, str]:
        """The verb's own stems, before consonants and before vowels."""
        stem, soft = self.lexicon[concept][:2]
        return stem.split(" ")[-1], soft.split(" ")[-1]

    def _light(self, concept: str) -> Tok | None:
        """The word that stands before a light verb: `davet` of `davet et-`."""
        word, _, _ = self.lexicon[concept][0].rpartition(" ")
        return Tok(word, word, "NOUN") if word else None

    def _lemma(self, concept: str) -> str:
        stem = self._stems(concept)[0]
        return f"{stem}m{wide(stem)}k"

    def _participle(self, concept: str) -> Tok:
        """-(y)An: who reads or read."""
        soft = self._stems(concept)[1]
        form = f"{soft}{'y' if soft[-1] in _VOWELS else ''}{wide(soft)}n"
        return Tok(form, self._lemma(concept), "VERB", {"VerbForm": "Part"})

    def _nominal(self, concept: str, subject: NounPhrase, case: str, *, negative: bool = False) -> Tok:
        """-DIK with the subject's possessive and a case: `okuduğu`, `okuduğunu`, `okuduğuna`, `okuduğunda`."""
        full = self._negated(self._stems(concept)[0], negative=negative)
        vowel = close(full)
        base = f"{full}{_stop(full)}{vowel}"
        person = subject.person if isinstance(subject, Pronoun) else ""
        third = person in {"", "they"}
        if person == "they":
            base += f"kl{wide(full)}r{close(wide(full))}"
        else:
            base += "ğ" + vowel + {"I": "m", "we": f"m{vowel}z", "": ""}[person]
        link = "n" if third else ""
        ending = {"": "", "acc": link + close(base), "dat": link + wide(base), "loc": f"{link}d{wide(base)}"}[case]
        feats = {"VerbForm": "Vnoun", "Polarity": "Neg" if negative else "Pos"}
        return Tok(base + ending, self._lemma(concept), "VERB", feats)

    # Clauses

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The participle and what belongs to it, then the noun."""
        if relative.role == "subject":
            verb = self._participle(relative.verb)
            other = self.np(relative.other, "object", tense) if relative.other else None
        else:
            assert relative.other is not None
            verb = self._nominal(relative.verb, relative.other, "")
            other = self.np(relative.other, "owner", tense)
        relation = "obj" if relative.role == "subject" else "nsubj"
        light = self._light(relative.verb)
        clause = join(verb, [("other", other, relation), ("v", light, "compound:lvc"), ("v", verb, "")])
        verb.deprel, verb.head = "acl", core.head
        return Phrase(core.head, clause.tokens + core.tokens, [*clause.parts, ("core", core.tokens)])

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, time, place, manner, object or content, verb; a content clause is a nominal form in a case."""
        role = "subject"
        if mode.startswith("content"):
            head = self._nominal(clause.verb, clause.subject, mode.removeprefix("content_"), negative=clause.negative)
            role = "owner"
        elif mode == "when":
            head = self._nominal(clause.verb, clause.subject, "loc", negative=clause.negative)
        else:
            head = self._finite(clause.verb, clause.subject, clause.tense, negative=clause.negative)
        subject = self.np(clause.subject, role, clause.tense)
        light: Item = ("v", self._light(clause.verb), "compound:lvc")
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause), light, ("v", head, "")])

    def _rest(self, clause: Clause, asked: str = "") -> list[Item]:
        content = None
        if clause.content:
            inner = self.clause(clause.content, f"content_{self.lexicon[clause.verb][2]}")
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
        place: Phrase | Tok | None = self.np(clause.place, "place", clause.tense) if clause.place else None
        if asked == "place":
            place = Tok("nerede", "nere", "PRON", {"PronType": "Int", "Case": "Loc"})
        object_: Phrase | Tok | None = self.np(clause.object, "object", clause.tense) if clause.object else None
        if asked == "object":
            object_ = self._asking(clause.object, "object")
        time: Phrase | Tok | None = self.time(clause.time) if clause.time else None
        if asked == "time":
            when, noun = Tok("ne", "ne", "ADJ", {"PronType": "Int"}), Tok("zaman", "zaman", "NOUN")
            time = join(noun, [("who", when, "amod"), ("who", noun, "")])
        adverb = isinstance(time, Phrase) and time.head.upos == "ADV"
        return [
            ("time", time, "advmod" if adverb else "obl:tmod"),
            ("place", place, "obl"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            ("object", object_, "obj"),
            ("content", content, "ccomp"),
        ]

    @staticmethod
    def _asking(phrase: NounPhrase | None, role: str) -> Tok:
        person = not isinstance(phrase, Common) or concepts().nouns[phrase.noun].kind == "person"
        indefinite = isinstance(phrase, Common) and phrase.det in _INDEFINITE
        accusative = role == "object" and (person or not indefinite)
        form = ("kimi" if person else "neyi") if accusative else ("kim" if person else "ne")
        feats = {"PronType": "Int", "Case": "Acc" if accusative else "Nom"}
        return Tok(form, "kim" if person else "ne", "PRON", feats)

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """`S ve S`, `S, ama S`, `S, çünkü S`, `S-DIğIndA S`."""
        if statement.link == "when":
            comma = self.punct(",")
            comma.deprel, comma.head = "punct", second.head
            return join(main.head, [("second", second, "advcl"), ("comma", comma, ""), ("main", main, "")])
        word = {"and": "ve", "but": "ama", "because": "çünkü"}[statement.link]
        conjunction = Tok(word, word, "CCONJ")
        comma_ = None if word == "ve" else self.punct(",")
        conjunction.deprel, conjunction.head = "cc", second.head
        if comma_:
            comma_.deprel, comma_.head = "punct", second.head
        items: list[Item] = [
            ("main", main, ""),
            ("comma", comma_, ""),
            ("link", conjunction, ""),
            ("second", second, "conj"),
        ]
        return join(main.head, items)

    def time(self, time: str) -> Phrase:
        """An adverb, `geçen hafta`, or `1987 yılında`."""
        if year := year_of(time):
            number = Tok(str(year), str(year), "NUM", {"NumType": "Card"})
            unit = Tok("yılında", "yıl", "NOUN", {"Case": "Loc", "Number": "Sing", "Person[psor]": "3"})
            return join(unit, [("time", number, "nmod:poss"), ("time", unit, "")])
        first, *rest = self.lexicon[time][0].split(" ")
        if not rest:
            token = Tok(first, first, "ADV")
            return join(token, [("time", token, "")])
        noun = Tok(rest[0], rest[0], "NOUN", {"Case": "Nom", "Number": "Sing"})
        every = first == "her"
        word = Tok(first, first, "DET" if every else "ADJ")
        return join(noun, [("time", word, "det" if every else "amod"), ("time", noun, "")])

    def manner(self, manner: str) -> Tok:
        """An adverb."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word stands where the answer stands."""
        subject: Phrase | Tok = self.np(clause.subject, "subject", clause.tense)
        agent: NounPhrase = clause.subject
        if asked == "subject":
            subject, agent = self._asking(clause.subject, "subject"), Common("person")
        head = self._finite(clause.verb, agent, clause.tense, negative=False)
        light: Item = ("v", self._light(clause.verb), "compound:lvc")
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, asked), light, ("v", head, "")])
