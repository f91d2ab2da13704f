"""Spanish: subject, verb, object; gender and number agree, pronoun objects stand before the verb, persons take `a`."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language, is_woman, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez")
_PRONOUNS = {"I": ("yo", "me"), "we": ("nosotros", "nos"), "they": ("ellos", "los")}
_DETERMINERS = {
    "the": ("el", "la", "los", "las"),
    "a": ("un", "una", "", ""),
    "this": ("este", "esta", "estos", "estas"),
    "many": ("", "", "muchos", "muchas"),
    "several": ("", "", "varios", "varias"),
}
_PERSONS = {(1, "Sing"): 0, (3, "Sing"): 1, (1, "Plur"): 2, (3, "Plur"): 3}
_ENDINGS = {
    "ar": (("o", "a", "amos", "an"), ("é", "ó", "amos", "aron")),
    "er": (("o", "e", "emos", "en"), ("í", "ió", "imos", "ieron")),
    "ir": (("o", "e", "imos", "en"), ("í", "ió", "imos", "ieron")),
}
_FUTURE = ("é", "á", "emos", "án")
_GENDERS = {"m": "Masc", "f": "Fem"}


class Spanish(Language):
    """Spanish."""

    tag = "es"
    title = "Spanish"
    order = "SVO"

    def gender(self, phrase: NounPhrase) -> str:
        """Gender: m or f."""
        if isinstance(phrase, Common):
            return self.lexicon[phrase.noun][1][0]
        if isinstance(phrase, Name) and phrase.kind == "ORG":
            return self.lexicon[phrase.parts[1]][1]
        return "f" if is_woman(phrase) else "m"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner, noun, adjective; `a` before persons as objects, `en` before places; `a el` is `al`."""
        inner = self._bare(phrase, role)
        preposition = {"place": "en", "object": "a" if self._is_personal(phrase) else ""}.get(role, "")
        if not preposition or isinstance(phrase, Pronoun):
            return inner
        case = Tok(preposition, preposition, "ADP")
        if preposition == "a" and inner.tokens[0].form == "el":
            case.form, inner.tokens = "al", inner.tokens[1:]
        return join(inner.head, [("core", case, "case"), ("core", inner, "")])

    @staticmethod
    def _is_personal(phrase: NounPhrase) -> bool:
        if isinstance(phrase, Common):
            return concepts().nouns[phrase.noun].kind == "person"
        return isinstance(phrase, Name) and phrase.kind == "PER"

    def _bare(self, phrase: NounPhrase, role: str) -> Phrase:
        if isinstance(phrase, Pronoun):
            person, number = person_of(phrase)
            form = _PRONOUNS[phrase.person][role == "object"]
            feats = {"Case": "Acc" if role == "object" else "Nom", "Person": str(person), "Number": number}
            token = Tok(form, _PRONOUNS[phrase.person][0], "PRON", feats | {"PronType": "Prs"})
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            if phrase.kind != "ORG":
                return self.named(phrase, [self.spell(key) for key in phrase.parts])
            kind, gender = self.lexicon[phrase.parts[1]]
            head = Tok(kind, kind, "PROPN", {"Gender": _GENDERS[gender], "Number": "Sing"}, ner="B-ORG")
            name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="I-ORG")
            article = self._article("el" if gender == "m" else "la", gender, plural=False)
            return join(head, [("core", article, "det"), ("core", head, ""), ("core", name, "flat")])
        lemma, gender, plural = self.lexicon[phrase.noun]
        agreement = {"Gender": _GENDERS[gender[0]], "Number": "Plur" if phrase.plural else "Sing"}
        noun = Tok(plural if phrase.plural else lemma, lemma, "NOUN", dict(agreement))
        adjective = None
        if phrase.adjective:
            forms = self._adjective_forms(phrase.adjective)
            adjective = Tok(forms[self._place(gender, phrase.plural)], forms[0], "ADJ", dict(agreement))
        determiner = self._determiner(phrase, gender)
        items: list[Item] = [
            ("core", determiner, "nummod" if phrase.det == "count" else "det"),
            ("core", noun, ""),
            ("core", adjective, "amod"),
        ]
        return join(noun, items)

    @staticmethod
    def _place(gender: str, plural: bool) -> int:
        return 2 * plural + (gender[0] == "f")

    @staticmethod
    def _article(form: str, gender: str, *, plural: bool) -> Tok:
        feats = {"Gender": _GENDERS[gender[0]], "Number": "Plur" if plural else "Sing", "PronType": "Art"}
        return Tok(form, "el", "DET", feats | {"Definite": "Def"})

    def _determiner(self, phrase: Common, gender: str) -> Tok:
        if phrase.det == "count":
            numeral = _NUMERALS[phrase.count - 3]
            return Tok(numeral, numeral, "NUM", {"NumType": "Card"})
        forms = _DETERMINERS[phrase.det]
        form = forms[self._place(gender, phrase.plural)]
        if gender == "fa" and not phrase.plural and phrase.det in {"the", "a"}:
            form = forms[0]  # el águila: a stressed a begins the noun
        if phrase.det == "the":
            return self._article(form, gender, plural=phrase.plural)
        feats = {"Gender": _GENDERS[gender[0]], "Number": "Plur" if phrase.plural else "Sing"}
        kind = {"a": "Art", "this": "Dem"}.get(phrase.det, "Ind")
        return Tok(form, forms[0] or forms[2], "DET", feats | {"PronType": kind})

    def _adjective_forms(self, concept: str) -> tuple[str, str, str, str]:
        word, *plural = self.lexicon[concept]
        if word.endswith("o"):
            return word, word[:-1] + "a", word + "s", word[:-1] + "as"
        many = plural[0] if plural else word + ("s" if word[-1] in "aeiouú" else "es")
        return word, word, many, many

    # Verbs

    def _finite(self, concept: str, subject: NounPhrase, tense: Tense) -> Tok:
        infinitive, present, past, future = (*self.lexicon[concept], "", "", "")[:4]
        place = _PERSONS[person_of(subject)]
        stem, endings = infinitive[:-2], _ENDINGS[infinitive[-2:].replace("í", "i")]
        if tense == "future":
            form = (future or infinitive.replace("eír", "eir").replace("oír", "oir")) + _FUTURE[place]
        else:
            written = present if tense == "present" else past
            form = written.split(" ")[place] if written else stem + endings[tense == "past"][place]
        person, number = person_of(subject)
        name = {"past": "Past", "present": "Pres", "future": "Fut"}[tense]
        feats = {"Mood": "Ind", "Tense": name, "VerbForm": "Fin", "Person": str(person), "Number": number}
        return Tok(form, infinitive, "VERB", feats)

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The noun, `que`, and the clause."""
        que = Tok("que", "que", "PRON", {"PronType": "Rel"})
        agent: NounPhrase = noun
        if relative.role == "object":
            assert relative.other is not None
            agent = relative.other
        verb = self._finite(relative.verb, agent, tense)
        other = relative.other
        inner = self.np(other, "object" if relative.role == "subject" else "subject", tense) if other else None
        relation = "obj" if relative.role == "subject" else "nsubj"
        first = relative.role == "object" or isinstance(other, Pronoun)
        items: list[Item] = [
            ("que", que, "nsubj" if relative.role == "subject" else "obj"),
            ("other", inner if first else None, relation),
            ("v", verb, ""),
            ("other", None if first else inner, relation),
        ]
        clause = join(verb, items)
        verb.deprel, verb.head = "acl", core.head
        return Phrase(core.head, core.tokens + clause.tokens, [("core", core.tokens), *clause.parts])

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, `no`, pronoun, verb, object, manner, place, time, content."""
        head = self._finite(clause.verb, clause.subject, clause.tense)
        subject = self.np(clause.subject, "subject", clause.tense)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, head)])

    def _rest(self, clause: Clause, head: Tok, asked: str = "", after: Phrase | None = None) -> list[Item]:
        content = None
        mark: list[Item] = []
        if clause.content is not None:
            inner = self.clause(clause.content, "content")
            que = Tok("que", "que", "SCONJ")
            que.deprel, que.head = "mark", inner.head
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
            mark = [("que", que, "")]
        object_ = self.np(clause.object, "object", clause.tense) if clause.object and asked != "object" else None
        clitic = object_ if isinstance(clause.object, Pronoun) else None
        negation = Tok("no", "no", "ADV", {"Polarity": "Neg"}) if clause.negative else None
        place = self.np(clause.place, "place", clause.tense) if clause.place and asked != "place" else None
        return [
            ("no", negation, "advmod"),
            ("object", clitic, "obj"),
            ("v", head, ""),
            ("subject", after, "nsubj"),
            ("object", None if clitic else object_, "obj"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            ("place", place, "obl"),
            self._time(clause, asked),
            *mark,
            ("content", content, "ccomp"),
        ]

    def _time(self, clause: Clause, asked: str) -> Item:
        if not clause.time or asked == "time":
            return ("time", None, "")
        phrase = self.time(clause.time)
        return ("time", phrase, "advmod" if phrase.head.upos == "ADV" else "obl")

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """The main clause, the conjunction, the other clause; `y` is `e` before an i."""
        word = {"and": "y", "but": "pero", "because": "porque", "when": "cuando"}[statement.link]
        coordinated = statement.link in {"and", "but"}
        form = "e" if word == "y" and second.forms[0].lower().startswith(("i", "hi")) else word
        conjunction = Tok(form, word, "CCONJ" if coordinated else "SCONJ")
        conjunction.deprel, conjunction.head = "cc" if coordinated else "mark", second.head
        comma = self.punct(",") if word == "pero" else None
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
        """Words of the lexicon, the head marked by *, or `en 1987`."""
        if year := year_of(time):
            number = Tok(str(year), str(year), "NUM", {"NumType": "Card"})
            return join(number, [("time", Tok("en", "en", "ADP"), "case"), ("time", number, "")])
        words = self.lexicon[time][0].split(" ")
        tokens = []
        for word in words:
            form, _, upos = word.partition("/")
            tokens.append(Tok(form, form, upos))
        head = next(token for token in tokens if token.upos in {"NOUN", "ADV"})
        relations = {"DET": "det", "ADJ": "amod", "ADP": "case"}
        items: list[Item] = [("time", token, "" if token is head else relations[token.upos]) for token in tokens]
        return join(head, items)

    def manner(self, manner: str) -> Tok:
        """An adverb in -mente."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word, the verb, the subject: `¿Qué leyó la mujer`."""
        opening = self.punct("¿")
        agent: NounPhrase = Common("person") if asked == "subject" else clause.subject
        head = self._finite(clause.verb, agent, clause.tense)
        preposition = None
        if asked in {"place", "time"}:
            word, upos, relation = {"place": "Dónde", "time": "Cuándo"}[asked], "ADV", "advmod"
        else:
            thing = clause.subject if asked == "subject" else clause.object
            assert thing is not None
            person = self._is_personal(thing) or (isinstance(thing, Name) and asked == "subject")
            word, upos, relation = "Quién" if person else "Qué", "PRON", "nsubj" if asked == "subject" else "obj"
            if person and asked == "object":
                preposition, word = Tok("A", "a", "ADP"), "quién"
        who: Phrase | Tok = Tok(word, word.lower(), upos, {"PronType": "Int"})
        if preposition and isinstance(who, Tok):
            who = join(who, [("who", preposition, "case"), ("who", who, "")])
        after = None if asked == "subject" else self.np(clause.subject, "subject", clause.tense)
        items: list[Item] = [
            ("open", opening, "punct"),
            ("who", who, relation),
            *self._rest(clause, head, asked, after),
        ]
        return join(head, items)
