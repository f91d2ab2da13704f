"""Japanese: subject, object, verb; particles, classifiers, everything before what it belongs to; plain style."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("三", "四", "五", "六", "七", "八", "九", "十")
_PRONOUNS = {"I": "私", "we": "私たち", "they": "彼ら"}
_PARTICLES = {"topic": "は", "subject": "が", "object": "を", "place": "で"}
_LINKS = {"and": "し", "but": "が", "because": "から", "when": "とき"}


class Japanese(Language):
    """Japanese."""

    tag = "ja"
    title = "Japanese"
    order = "SOV"
    script = "kana"
    spaced = False
    cased = False
    roles = ("topic", "subject", "object", "place")
    stop = "。"
    question_mark = "？"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner, numeral with classifier, adjective, noun, particle."""
        inner = self._bare(phrase)
        particle = Tok(_PARTICLES[role], _PARTICLES[role], "ADP")
        return join(inner.head, [("core", inner, ""), ("core", particle, "case")])

    def _bare(self, phrase: NounPhrase) -> Phrase:
        if isinstance(phrase, Pronoun):
            form = _PRONOUNS[phrase.person]
            token = Tok(form, form, "PRON", {"Person": "3" if phrase.person == "they" else "1", "PronType": "Prs"})
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            if phrase.kind == "ORG":
                kind = self.lexicon[phrase.parts[1]][0]
                name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="B-ORG")
                head = Tok(kind, kind, "PROPN", ner="I-ORG")
                return join(head, [("core", name, "compound"), ("core", head, "")])
            named = self.named(phrase, [self.spell(key) for key in phrase.parts])
            if len(phrase.parts) == 2:  # given name and surname of a foreigner are joined by a dot
                dot = Tok("・", "・", "PUNCT", ner="I-PER", deprel="punct", head=named.head)
                return Phrase(named.head, [named.tokens[0], dot, named.tokens[1]], named.parts)
            return named
        word, classifier = self.lexicon[phrase.noun]
        human = concepts().nouns[phrase.noun].kind == "person"
        form, feats = word, {}
        if phrase.plural and human and phrase.det in {"the", "this"}:
            form, feats = word + "たち", {"Number": "Plur"}
        noun = Tok(form, word, "NOUN", feats)
        items: list[Item] = [
            *self._determiner(phrase, classifier, human=human),
            *self._adjective(phrase.adjective),
            ("core", noun, ""),
        ]
        return join(noun, items)

    def _determiner(self, phrase: Common, classifier: str, *, human: bool) -> list[Item]:
        if phrase.det == "this" and (human or not phrase.plural):
            return [("core", Tok("この", "この", "DET", {"PronType": "Dem"}), "det")]
        if phrase.det == "the" and (human or not phrase.plural):
            return []
        if phrase.det == "a" and concepts().nouns[phrase.noun].kind in {"person", "place"}:
            return [("core", Tok("ある", "ある", "DET", {"PronType": "Ind"}), "det")]
        if phrase.det in {"this", "the", "many"}:
            word = {"this": "これら", "the": "それら", "many": "多く"}[phrase.det]
            first = Tok(word, word, "NOUN" if phrase.det == "many" else "PRON")
        else:
            number = {"a": "一", "several": "数"}.get(phrase.det) or _NUMERALS[phrase.count - 3]
            first = Tok(classifier, classifier, "NOUN", {"NounType": "Clf"})
            numeral = Tok(number, number, "NUM", {"NumType": "Card"})
            counted = join(first, [("core", numeral, "nummod"), ("core", first, "")])
            return [("core", join(first, [("core", counted, ""), ("core", Tok("の", "の", "ADP"), "case")]), "nmod")]
        return [("core", join(first, [("core", first, ""), ("core", Tok("の", "の", "ADP"), "case")]), "nmod")]

    def _adjective(self, adjective: str) -> list[Item]:
        if not adjective:
            return []
        first, *rest = self.lexicon[adjective][0].split("|")
        upos = {"の": "NOUN", "た": "VERB"}.get(rest[0] if rest else "", "ADJ")
        head = Tok(first, first, upos)
        items: list[Item] = [("core", head, "")]
        for word in rest:
            items.append(("core", Tok(word, word, "ADP" if word == "の" else "AUX"), "case" if word == "の" else "aux"))
        relation = {"NOUN": "nmod", "VERB": "acl"}.get(upos, "amod")
        return [("core", join(head, items), relation)]

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The clause in plain form, then the noun."""
        verb, head = self._verb(relative.verb, tense, negative=False)
        inner_role = "object" if relative.role == "subject" else "subject"
        other = self.np(relative.other, inner_role, tense) if relative.other else None
        clause = join(head, [("other", other, "obj" if inner_role == "object" else "nsubj"), *verb])
        head.deprel, head.head = "acl", core.head
        return Phrase(core.head, clause.tokens + core.tokens, [*clause.parts, ("core", core.tokens)])

    def _verb(self, concept: str, tense: Tense, *, negative: bool) -> tuple[list[Item], Tok]:
        """The verb and its auxiliaries."""
        plain, past, negated = (form.split("|") for form in self.lexicon[concept])
        if negative:
            words = [*negated, *(("なかっ", "た") if tense == "past" else ("ない",))]
        else:
            words = past if tense == "past" else plain
        head = Tok(words[0], plain[0], "VERB", {"Polarity": "Neg"} if negative else {})
        items: list[Item] = [("v", head, "")]
        for word in words[1:]:
            particle = word in {"て", "で"} and word != words[-1]
            items.append(("v", Tok(word, word, "SCONJ" if particle else "AUX"), "mark" if particle else "aux"))
        return items, head

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, time, place, object or content, manner, verb; the subject of a main clause is its topic."""
        verb, head = self._verb(clause.verb, clause.tense, negative=clause.negative)
        subject = self.np(clause.subject, "topic" if mode == "main" else "subject", clause.tense)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause), *verb])

    def _rest(self, clause: Clause, asked: str = "") -> list[Item]:
        content = None
        items: list[Item] = []
        if clause.content:
            inner = self.clause(clause.content, "content")
            content = Phrase(inner.head, inner.tokens, [("content", inner.tokens)])
            quote = Tok("と", "と", "ADP")
            quote.deprel, quote.head = "case", inner.head
            items = [("content", content, "ccomp"), ("quote", quote, "")]
        place: Phrase | None = self.np(clause.place, "place", clause.tense) if clause.place else None
        if asked == "place":
            place = self._asked("どこ", "で")
        object_: Phrase | None = self.np(clause.object, "object", clause.tense) if clause.object else None
        if asked == "object":
            object_ = self._asked(self._asking(clause.object), "を")
        time: Phrase | Tok | None = self.time(clause.time) if clause.time else None
        if asked == "time":
            time = Tok("いつ", "いつ", "PRON", {"PronType": "Int"})
        adverb = isinstance(time, Phrase) and time.head.upos == "ADV"
        return [
            ("time", time, "advmod" if adverb else "obl:tmod"),
            ("place", place, "obl"),
            ("object", object_, "obj"),
            *items,
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
        ]

    @staticmethod
    def _asked(word: str, particle: str) -> Phrase:
        token = Tok(word, word, "PRON", {"PronType": "Int"})
        return join(token, [("who", token, ""), ("who", Tok(particle, particle, "ADP"), "case")])

    @staticmethod
    def _asking(phrase: NounPhrase | None) -> str:
        person = not isinstance(phrase, Common) or concepts().nouns[phrase.noun].kind == "person"
        return "誰" if person else "何"

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """The first clause with its particle, a comma, the last clause, which is the head."""
        word = _LINKS[statement.link]
        particle = Tok(word, word, "NOUN" if statement.link == "when" else "SCONJ")
        coordinated = statement.link in {"and", "but"}
        first, last = (main, second) if coordinated else (second, main)
        names = ("main", "second") if coordinated else ("second", "main")
        comma = self.punct("、")
        if statement.link == "when":
            first.head.deprel, first.head.head = "acl", particle
            particle.deprel, particle.head = "obl:tmod", last.head
        else:
            first.head.deprel, first.head.head = "advcl", last.head
            particle.deprel, particle.head = "mark", first.head
        comma.deprel, comma.head = "punct", last.head
        return Phrase(
            last.head,
            [*first.tokens, particle, comma, *last.tokens],
            [(names[0], first.tokens), ("link", [particle]), ("comma", [comma]), (names[1], last.tokens)],
        )

    def time(self, time: str) -> Phrase:
        """One word, or a year with 年に."""
        if year := year_of(time):
            number, unit = Tok(str(year), str(year), "NUM", {"NumType": "Card"}), Tok("年", "年", "NOUN")
            items: list[Item] = [
                ("time", number, "nummod"),
                ("time", unit, ""),
                ("time", Tok("に", "に", "ADP"), "case"),
            ]
            return join(unit, items)
        word = self.lexicon[time][0]
        token = Tok(word, word, "ADV" if time in {"often", "soon"} else "NOUN")
        return join(token, [("time", token, "")])

    def manner(self, manner: str) -> Tok:
        """An adverb."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word stands where the answer stands; か ends the question."""
        verb, head = self._verb(clause.verb, clause.tense, negative=False)
        if asked == "subject":
            subject = self._asked(self._asking(clause.subject), "が")
        else:
            subject = self.np(clause.subject, "topic", clause.tense)
        ending: Item = ("ka", Tok("か", "か", "PART"), "mark")
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, asked), *verb, ending])
