"""English: subject, verb, object; the verb agrees with its subject, articles and numerals before the noun."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language, person_of
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PRONOUNS = {"I": ("I", "me"), "we": ("we", "us"), "they": ("they", "them")}
_CASES = ("Nom", "Acc")
_VOWELS = "aeiou"
_LIKE_YOU = ("uni", "use", "eu", "ewe")
_SILENT_H = ("hour", "honest", "heir")


class English(Language):
    """English."""

    tag = "en"
    title = "English"
    order = "SVO"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """A noun phrase: pronouns have case, a place has `in`."""
        inner = self._bare(phrase, role)
        if role != "place":
            return inner
        return join(inner.head, [("core", Tok("in", "in", "ADP"), "case"), ("core", inner, "")])

    def _bare(self, phrase: NounPhrase, role: str) -> Phrase:
        if isinstance(phrase, Pronoun):
            object_ = role != "subject"
            person, number = person_of(phrase)
            feats = {"Case": _CASES[object_], "Person": str(person), "Number": number, "PronType": "Prs"}
            token = Tok(_PRONOUNS[phrase.person][object_], _PRONOUNS[phrase.person][0], "PRON", feats)
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            if phrase.kind != "ORG":
                return self.named(phrase, [self.spell(key) for key in phrase.parts], {"Number": "Sing"})
            head = Tok(self.lexicon[phrase.parts[1]][0], self.lexicon[phrase.parts[1]][0], "PROPN", {"Number": "Sing"})
            name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", {"Number": "Sing"})
            name.ner, head.ner = "B-ORG", "I-ORG"
            return join(head, [("core", name, "compound"), ("core", head, "")])
        lemma, plural = self.lexicon[phrase.noun][:2]
        noun = Tok(plural if phrase.plural else lemma, lemma, "NOUN", {"Number": "Plur" if phrase.plural else "Sing"})
        adjective = None
        if phrase.adjective:
            word = self.lexicon[phrase.adjective][0]
            adjective = Tok(word, word, "ADJ", {"Degree": "Pos"})
        following = adjective.form if adjective else noun.form
        items: list[Item] = [
            (
                "core",
                self._determiner(phrase, following),
                "nummod" if phrase.det == "count" else self._relation(phrase),
            ),
            ("core", adjective, "amod"),
            ("core", noun, ""),
        ]
        return join(noun, items)

    def _relation(self, phrase: Common) -> str:
        return "amod" if phrase.det in {"many", "several"} else "det"

    def _determiner(self, phrase: Common, following: str) -> Tok:
        if phrase.det == "count":
            numeral = _NUMERALS[phrase.count - 3]
            return Tok(numeral, numeral, "NUM", {"NumType": "Card"})
        if phrase.det == "the":
            return Tok("the", "the", "DET", {"Definite": "Def", "PronType": "Art"})
        if phrase.det == "a":
            vowel = following[0] in _VOWELS and not following.startswith(_LIKE_YOU)
            form = "an" if vowel or following.startswith(_SILENT_H) else "a"
            return Tok(form, "a", "DET", {"Definite": "Ind", "PronType": "Art"})
        if phrase.det == "this":
            number = "Plur" if phrase.plural else "Sing"
            return Tok("these" if phrase.plural else "this", "this", "DET", {"Number": number, "PronType": "Dem"})
        return Tok(phrase.det, phrase.det, "ADJ", {"Degree": "Pos"})

    def core_key(self, forms: tuple[str, ...]) -> tuple[str, ...]:
        """Looks `an` up as `a`."""
        return tuple("a" if form == "an" else form for form in forms)

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The noun, `that`, and the clause."""
        that = Tok("that", "that", "PRON", {"PronType": "Rel"})
        if relative.role == "subject":
            verb = self._finite(relative.verb, noun, tense)
            other = self.np(relative.other, "object", tense) if relative.other else None
            clause = join(verb, [("that", that, "nsubj"), ("v", verb, ""), ("other", other, "obj")])
        else:
            assert relative.other is not None
            verb = self._finite(relative.verb, relative.other, tense)
            other = self.np(relative.other, "subject", tense)
            clause = join(verb, [("that", that, "obj"), ("other", other, "nsubj"), ("v", verb, "")])
        verb.deprel, verb.head = "acl:relcl", core.head
        return Phrase(core.head, core.tokens + clause.tokens, [("core", core.tokens), *clause.parts])

    def _finite(self, concept: str, subject: NounPhrase, tense: Tense) -> Tok:
        base, third, past = self.lexicon[concept][:3]
        person, number = person_of(subject)
        if tense == "past":
            return Tok(past, base, "VERB", {"Tense": "Past", "VerbForm": "Fin", "Mood": "Ind"})
        feats = {"Tense": "Pres", "VerbForm": "Fin", "Mood": "Ind", "Person": str(person), "Number": number}
        return Tok(third if (person, number) == (3, "Sing") else base, base, "VERB", feats)

    def _verb(self, clause: Clause) -> tuple[list[Item], Tok]:
        """The verb with its auxiliaries and negation."""
        base = self.lexicon[clause.verb][0]
        infinitive = Tok(base, base, "VERB", {"VerbForm": "Inf"})
        negation = Tok("not", "not", "PART", {"Polarity": "Neg"}) if clause.negative else None
        if clause.tense == "future":
            auxiliary = Tok("will", "will", "AUX", {"VerbForm": "Fin"})
        elif clause.negative:
            auxiliary = self._do(clause)
        else:
            verb = self._finite(clause.verb, clause.subject, clause.tense)
            return [("v", verb, "")], verb
        return [("v", auxiliary, "aux"), ("v", negation, "advmod"), ("v", infinitive, "")], infinitive

    def _do(self, clause: Clause) -> Tok:
        person, number = person_of(clause.subject)
        if clause.tense == "past":
            return Tok("did", "do", "AUX", {"Tense": "Past", "VerbForm": "Fin", "Mood": "Ind"})
        feats = {"Tense": "Pres", "VerbForm": "Fin", "Mood": "Ind", "Person": str(person), "Number": number}
        return Tok("does" if (person, number) == (3, "Sing") else "do", "do", "AUX", feats)

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, verb, object or content, manner, place, time."""
        verb, head = self._verb(clause)
        subject = self.np(clause.subject, "subject", clause.tense)
        return join(head, [("subject", subject, "nsubj"), *verb, *self._after(clause, head)])

    def _after(self, clause: Clause, head: Tok, asked: str = "") -> list[Item]:
        content = None
        if clause.content is not None:
            inner = self.clause(clause.content, "content")
            that = Tok("that", "that", "SCONJ")
            that.deprel, that.head = "mark", inner.head
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
            mark: list[Item] = [("that", that, "")]
        else:
            mark = []
        object_ = self.np(clause.object, "object", clause.tense) if clause.object and asked != "object" else None
        place = self.np(clause.place, "place", clause.tense) if clause.place and asked != "place" else None
        adverbials: list[Item] = [
            ("object", object_, "obj"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            ("place", place, "obl"),
            self._time(clause, asked),
        ]
        return [*adverbials, *mark, ("content", content, "ccomp")]

    def _time(self, clause: Clause, asked: str) -> Item:
        if not clause.time or asked == "time":
            return ("time", None, "")
        phrase = self.time(clause.time)
        relation = "advmod" if phrase.head.upos == "ADV" else "obl" if year_of(clause.time) else "obl:tmod"
        return ("time", phrase, relation)

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """The main clause, the conjunction, the other clause."""
        word = Tok(statement.link, statement.link, "CCONJ" if statement.link in {"and", "but"} else "SCONJ")
        comma = self.punct(",") if statement.link in {"and", "but"} else None
        word.deprel, word.head = "cc" if comma else "mark", second.head
        if comma:
            comma.deprel, comma.head = "punct", second.head
        items: list[Item] = [
            ("main", main, ""),
            ("comma", comma, ""),
            ("link", word, ""),
            ("second", second, "conj" if comma else "advcl"),
        ]
        return join(main.head, items)

    def time(self, time: str) -> Phrase:
        """An adverb, `last week`, or `in 1987`."""
        if year := year_of(time):
            number = Tok(str(year), str(year), "NUM", {"NumType": "Card"})
            return join(number, [("time", Tok("in", "in", "ADP"), "case"), ("time", number, "")])
        words = self.lexicon[time][0].split(" ")
        if len(words) == 1:
            token = Tok(words[0], words[0], "NOUN" if time in {"yesterday", "tomorrow"} else "ADV")
            return join(token, [("time", token, "")])
        noun = Tok(words[1], words[1], "NOUN", {"Number": "Sing"})
        every = words[0] == "every"
        first = Tok(words[0], words[0], "DET" if every else "ADJ")
        return join(noun, [("time", first, "det" if every else "amod"), ("time", noun, "")])

    def manner(self, manner: str) -> Tok:
        """An adverb in -ly."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word first, then the auxiliary: `What did ... read`."""
        if asked == "subject":
            who = Tok(self._pronoun(clause.subject), self._pronoun(clause.subject), "PRON", {"PronType": "Int"})
            third = Common("person")
            verb, head = self._verb(Clause(third, clause.verb, clause.tense))
            return join(head, [("who", who, "nsubj"), *verb, *self._after(clause, head)])
        base = self.lexicon[clause.verb][0]
        head = Tok(base, base, "VERB", {"VerbForm": "Inf"})
        auxiliary = Tok("will", "will", "AUX", {"VerbForm": "Fin"}) if clause.tense == "future" else self._do(clause)
        if asked == "object":
            assert clause.object is not None
            word, upos, relation = self._pronoun(clause.object), "PRON", "obj"
        else:
            word, upos, relation = {"place": "where", "time": "when"}[asked], "ADV", "advmod"
        items: list[Item] = [
            ("who", Tok(word, word, upos, {"PronType": "Int"}), relation),
            ("aux", auxiliary, "aux"),
            ("subject", self.np(clause.subject, "subject", clause.tense), "nsubj"),
            ("v", head, ""),
            *self._after(clause, head, asked),
        ]
        return join(head, items)

    @staticmethod
    def _pronoun(phrase: NounPhrase) -> str:
        person = isinstance(phrase, Name | Pronoun) or concepts().nouns[phrase.noun].kind == "person"
        return "who" if person else "what"
