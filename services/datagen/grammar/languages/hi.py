"""Hindi: subject, object, verb; postpositions, oblique forms; in the past the verb agrees with an unmarked object."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import CLOSING, Language, is_plural, is_woman, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ", "दस")
_PRONOUNS = {
    "I": {"subject": "मैं", "agent": "मैंने", "object": "मुझे"},
    "we": {"subject": "हम", "agent": "हमने", "object": "हमें"},
    "they": {"subject": "वे", "agent": "उन्होंने", "object": "उन्हें"},
}
_CASES = {"subject": "Nom", "agent": "Erg", "object": "Acc", "place": "Loc"}
_POSTPOSITIONS = {"agent": "ने", "object": "को", "place": "में"}
# Endings by class: direct singular, oblique singular, direct plural, oblique plural.
_CLASSES = {
    "ma": ("ा", "े", "े", "ों"),
    "m": ("", "", "", "ों"),
    "mi": ("ी", "ी", "ी", "ियों"),
    "mu": ("ू", "ू", "ू", "ुओं"),
    "maa": ("ा", "ा", "ा", "ाओं"),
    "f": ("", "", "ें", "ों"),
    "fi": ("ी", "ी", "ियाँ", "ियों"),
    "fa": ("ा", "ा", "ाएँ", "ाओं"),
    "fu": ("ू", "ू", "ुएँ", "ुओं"),
    "fiya": ("िया", "िया", "ियाँ", "ियों"),
    "miya": ("िया", "िये", "िये", "ियों"),
    "miiya": ("इया", "इये", "इये", "इयों"),
    "mii": ("ि", "ि", "ि", "ियों"),
    "muu": ("ु", "ु", "ु", "ुओं"),
    "mgaon": ("व", "व", "व", "वों"),
    "mee": ("ई", "ई", "ई", "इयों"),
    "fee": ("ई", "ई", "इयाँ", "इयों"),
    "fii": ("ि", "ि", "ियाँ", "ियों"),
    "fuu": ("ु", "ु", "ुएँ", "ुओं"),
    "fya": ("या", "या", "याँ", "यों"),
    "mua": ("आ", "ए", "ए", "ओं"),
    "mo": ("ो", "ो", "ो", "ोओं"),
    "mkuan": ("आँ", "एँ", "एँ", "ओं"),
}
_GENDERS = {"m": "Masc", "f": "Fem"}
_VOWEL_FINAL = "ाोेीआओएऊ"
_DO = ("किया", "किए", "की", "कीं")


class Hindi(Language):
    """Hindi."""

    tag = "hi"
    title = "Hindi"
    order = "SOV"
    script = "devanagari"
    cased = False
    roles = ("subject", "agent", "object", "place")
    stop = "।"

    def gender(self, phrase: NounPhrase) -> str:
        """M or f; with `+` where it takes को as an object."""
        if isinstance(phrase, Common):
            return self.lexicon[phrase.noun][1][0] + ("+" if self._is_marked(phrase) else "")
        if isinstance(phrase, Name) and phrase.kind == "ORG":
            return self.lexicon[phrase.parts[1]][1] + "+"
        return "f+" if is_woman(phrase) else "m+"

    @staticmethod
    def _is_marked(phrase: NounPhrase) -> bool:
        if isinstance(phrase, Common):
            return concepts().nouns[phrase.noun].kind in {"person", "animal"}
        return True

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner, adjective, noun, postposition; before a postposition all is oblique."""
        marked = role in {"agent", "place"} or (role == "object" and self._is_marked(phrase))
        feats = {"Case": "Acc" if marked else "Nom"}
        if isinstance(phrase, Pronoun):
            person, number = person_of(phrase)
            form = _PRONOUNS[phrase.person].get(role, _PRONOUNS[phrase.person]["object"])
            feats = {"Case": _CASES[role], "Person": str(person), "Number": number, "PronType": "Prs"}
            token = Tok(form, _PRONOUNS[phrase.person]["subject"], "PRON", feats)
            return join(token, [("core", token, "")])
        inner = self._name(phrase, feats) if isinstance(phrase, Name) else self._common(phrase, marked=marked)
        particle = Tok(_POSTPOSITIONS[role], _POSTPOSITIONS[role], "ADP") if marked else None
        return join(inner.head, [("core", inner, ""), ("core", particle, "case")])

    def _name(self, phrase: Name, feats: dict[str, str]) -> Phrase:
        feats = feats | {"Gender": _GENDERS[self.gender(phrase)[0]], "Number": "Sing"}
        if phrase.kind != "ORG":
            return self.named(phrase, [self.spell(key) for key in phrase.parts], feats)
        kind = self.lexicon[phrase.parts[1]][0]
        name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="B-ORG")
        head = Tok(kind, kind, "PROPN", feats, ner="I-ORG")
        return join(head, [("core", name, "compound"), ("core", head, "")])

    def _common(self, phrase: Common, *, marked: bool) -> Phrase:
        word, kind = self.lexicon[phrase.noun]
        endings = _CLASSES[kind]
        stem = word[: len(word) - len(endings[0])]
        gender = kind[0]
        feats = {
            "Case": "Acc" if marked else "Nom",
            "Gender": _GENDERS[gender],
            "Number": "Plur" if phrase.plural else "Sing",
        }
        noun = Tok(stem + endings[2 * phrase.plural + marked], word, "NOUN", feats)
        adjective = None
        if phrase.adjective:
            lemma = self.lexicon[phrase.adjective][0]
            form = lemma
            if lemma.endswith("ा"):
                form = lemma[:-1] + ("ी" if gender == "f" else "े" if marked or phrase.plural else "ा")
                if lemma.endswith("या"):  # नया: नई, नए
                    form = lemma if form == lemma else lemma[:-2] + ("ई" if gender == "f" else "ए")
            adjective = Tok(form, lemma, "ADJ", dict(feats) if lemma.endswith("ा") else {})
        determiner, relation = self._determiner(phrase, marked=marked)
        if phrase.det == "the" and phrase.plural and not marked and endings[0] == endings[2]:
            determiner, relation = Tok("वे", "वह", "DET", {"PronType": "Dem", "Number": "Plur"}), "det"
        items: list[Item] = [("core", determiner, relation), ("core", adjective, "amod"), ("core", noun, "")]
        return join(noun, items)

    @staticmethod
    def _determiner(phrase: Common, *, marked: bool) -> tuple[Tok | None, str]:
        if phrase.det == "the":
            return None, ""
        if phrase.det == "count":
            numeral = _NUMERALS[phrase.count - 3]
            return Tok(numeral, numeral, "NUM", {"NumType": "Card"}), "nummod"
        if phrase.det == "a":
            return Tok("एक", "एक", "NUM", {"NumType": "Card"}), "nummod"
        if phrase.det == "this":
            form = ("ये", "इन")[marked] if phrase.plural else ("यह", "इस")[marked]
            return Tok(form, "यह", "DET", {"PronType": "Dem", "Case": "Acc" if marked else "Nom"}), "det"
        word = {"many": "अनेक", "several": "कई"}[phrase.det]
        return Tok(word, word, "DET", {"PronType": "Ind"}), "det"

    # Verbs

    def _is_ergative(self, concept: str, tense: Tense) -> bool:
        verb, exception = concepts().verbs[concept], (*self.lexicon[concept], "")[1]
        takes = exception == "+" or (exception != "-" and (verb.transitive or verb.takes_clause))
        return tense == "past" and takes

    def _agreeing(
        self, concept: str, tense: Tense, subject: NounPhrase, thing: NounPhrase | None
    ) -> tuple[str, str, str]:
        """Gender, number and person that the verb shows."""
        if self._is_ergative(concept, tense):
            if thing is None or self._is_marked(thing):
                return "m", "Sing", "3"
            return self.gender(thing)[0], "Plur" if is_plural(thing) else "Sing", "3"
        person, number = person_of(subject)
        return self.gender(subject)[0], number, str(person)

    def _verb(
        self, concept: str, tense: Tense, subject: NounPhrase, thing: NounPhrase | None, *, negative: bool
    ) -> tuple[list[Item], Tok]:
        """The verb, with the word before a light verb, negation and auxiliary."""
        words = self.lexicon[concept][0].split(" ")
        stem = words[-1]
        gender, number, person = self._agreeing(concept, tense, subject, thing)
        plural = number == "Plur"
        feats = {"Gender": _GENDERS[gender], "Number": number}
        auxiliary = None
        if tense == "past":
            form = self._perfective(stem, 2 * (gender == "f") + plural)
            feats |= {"Aspect": "Perf", "VerbForm": "Part"}
        elif tense == "present":
            form = stem + ("ती" if gender == "f" else "ते" if plural else "ता")
            feats |= {"Aspect": "Imp", "VerbForm": "Part"}
            be = "हूँ" if (person, number) == ("1", "Sing") else "हैं" if plural else "है"
            auxiliary = Tok(be, "है", "AUX", {"Tense": "Pres", "Person": person, "Number": number, "Mood": "Ind"})
        else:
            form = self._future(stem, gender, person, plural=plural)
            feats |= {"Tense": "Fut", "VerbForm": "Fin", "Person": person, "Mood": "Ind"}
        head = Tok(form, stem + "ना", "VERB", feats)
        light = Tok(words[0], words[0], "NOUN") if len(words) > 1 else None
        negation = Tok("नहीं", "नहीं", "PART", {"Polarity": "Neg"}) if negative else None
        return [
            ("v", light, "compound:lvc"),
            ("v", negation, "advmod"),
            ("v", head, ""),
            ("v", auxiliary, "aux"),
        ], head

    @staticmethod
    def _perfective(stem: str, place: int) -> str:
        if stem == "कर":
            return _DO[place]
        if stem[-1] in _VOWEL_FINAL:
            return stem + ("या", "ए", "ई", "ईं")[place]
        return stem + ("ा", "े", "ी", "ीं")[place]

    @staticmethod
    def _future(stem: str, gender: str, person: str, *, plural: bool) -> str:
        vowel = stem[-1] in _VOWEL_FINAL
        first = ("ऊँ" if vowel else "ूँ", "एँ" if vowel else "ें", "ए" if vowel else "े")
        ending = first[1] if plural else first[0] if person == "1" else first[2]
        return stem + ending + ("गी" if gender == "f" else "गे" if plural else "गा")

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The noun, a comma, `जो` in its case, the clause, a comma."""
        gender = _GENDERS[self.lexicon[noun.noun][1][0]]
        ergative = self._is_ergative(relative.verb, tense)
        if relative.role == "subject":
            form = "जिसने" if ergative else "जो"
            verb, head = self._verb(relative.verb, tense, noun, relative.other, negative=False)
            other = self.np(relative.other, "object", tense) if relative.other else None
        else:
            assert relative.other is not None
            form = "जिसे" if self._is_marked(noun) else "जो"
            verb, head = self._verb(relative.verb, tense, relative.other, noun, negative=False)
            other = self.np(relative.other, "agent" if ergative else "subject", tense)
        which = Tok(form, "जो", "PRON", {"PronType": "Rel", "Gender": gender, "Number": "Sing"})
        items: list[Item] = [
            ("comma", self.punct(","), "punct"),
            ("which", which, "nsubj" if relative.role == "subject" else "obj"),
            ("other", other, "obj" if relative.role == "subject" else "nsubj"),
            *verb,
            (CLOSING, self.punct(","), "punct"),
        ]
        clause = join(head, items)
        head.deprel, head.head = "acl:relcl", core.head
        return Phrase(core.head, core.tokens + clause.tokens, [("core", core.tokens), *clause.parts])

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, time, place, object, manner, verb, content."""
        verb, head = self._verb(clause.verb, clause.tense, clause.subject, clause.object, negative=clause.negative)
        role = "agent" if self._is_ergative(clause.verb, clause.tense) else "subject"
        subject = self.np(clause.subject, role, clause.tense)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, verb)])

    def _rest(self, clause: Clause, verb: list[Item], asked: str = "") -> list[Item]:
        content = None
        mark: list[Item] = []
        if clause.content is not None:
            inner = self.clause(clause.content, "content")
            that = Tok("कि", "कि", "SCONJ")
            that.deprel, that.head = "mark", inner.head
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
            mark = [("that", that, "")]
        place: Phrase | Tok | None = self.np(clause.place, "place", clause.tense) if clause.place else None
        if asked == "place":
            place = Tok("कहाँ", "कहाँ", "PRON", {"PronType": "Int"})
        object_: Phrase | Tok | None = self.np(clause.object, "object", clause.tense) if clause.object else None
        if asked == "object" and clause.object:
            form = "किसे" if self._is_marked(clause.object) else "क्या"
            object_ = Tok(form, "कौन" if form == "किसे" else form, "PRON", {"PronType": "Int"})
        time: Phrase | Tok | None = self.time(clause.time) if clause.time else None
        if asked == "time":
            time = Tok("कब", "कब", "ADV", {"PronType": "Int"})
        adverb = time is not None and (time if isinstance(time, Tok) else time.head).upos == "ADV"
        return [
            ("time", time, "advmod" if adverb else "obl"),
            ("place", place, "obl"),
            ("object", object_, "obj"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            *verb,
            *mark,
            ("content", content, "ccomp"),
        ]

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """`S और S`, `S, लेकिन S`, `S, क्योंकि S`, `जब S, तब S`."""
        comma = self.punct(",")
        if statement.link == "when":
            when, then = Tok("जब", "जब", "ADV", {"PronType": "Rel"}), Tok("तब", "तब", "ADV", {"PronType": "Dem"})
            when.deprel, when.head = "advmod", second.head
            comma.deprel, comma.head = "punct", second.head
            items: list[Item] = [
                ("when", when, ""),
                ("second", second, "advcl"),
                ("comma", comma, ""),
                ("then", then, "advmod"),
                ("main", main, ""),
            ]
            return join(main.head, items)
        word = {"and": "और", "but": "लेकिन", "because": "क्योंकि"}[statement.link]
        coordinated = statement.link != "because"
        conjunction = Tok(word, word, "CCONJ" if coordinated else "SCONJ")
        conjunction.deprel, conjunction.head = "cc" if coordinated else "mark", second.head
        comma.deprel, comma.head = "punct", second.head
        items = [
            ("main", main, ""),
            ("comma", None if word == "और" else comma, ""),
            ("link", conjunction, ""),
            ("second", second, "conj" if coordinated else "advcl"),
        ]
        return join(main.head, items)

    def time(self, time: str) -> Phrase:
        """Words of the lexicon, or `1987 में`."""
        if year := year_of(time):
            number = Tok(str(year), str(year), "NUM", {"NumType": "Card"})
            return join(number, [("time", number, ""), ("time", Tok("में", "में", "ADP"), "case")])
        tokens = []
        for word in self.lexicon[time][0].split(" "):
            form, _, upos = word.partition("/")
            tokens.append(Tok(form, form, upos))
        items: list[Item] = [("time", token, {"DET": "det", "ADJ": "amod"}.get(token.upos, "")) for token in tokens]
        return join(tokens[-1], items)

    def manner(self, manner: str) -> Tok:
        """An adverb."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word stands where the answer stands."""
        ergative = self._is_ergative(clause.verb, clause.tense)
        agent: NounPhrase = Common("teacher") if asked == "subject" else clause.subject
        thing = None if asked == "object" else clause.object  # an interrogative asks for the masculine
        verb, head = self._verb(clause.verb, clause.tense, agent, thing, negative=False)
        subject: Phrase | Tok = self.np(clause.subject, "agent" if ergative else "subject", clause.tense)
        if asked == "subject":
            subject = Tok("किसने" if ergative else "कौन", "कौन", "PRON", {"PronType": "Int"})
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, verb, asked)])
