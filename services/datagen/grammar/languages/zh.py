"""Chinese: subject, verb, object; classifiers and aspect; adverbials before the verb, relatives before the noun."""

from services.datagen.grammar.concepts import concepts, year_of
from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.linear import Item, Phrase, Tok, join
from services.datagen.grammar.syntax import Clause, Common, Name, NounPhrase, Pronoun, Relative, Role, Statement, Tense

_NUMERALS = ("三", "四", "五", "六", "七", "八", "九", "十")
_PRONOUNS = {"I": "我", "we": "我们", "they": "他们"}
_COMPLETED = "了"


class Chinese(Language):
    """Mandarin Chinese in simplified characters."""

    tag = "zh"
    title = "Chinese"
    order = "SVO"
    script = "hanzi"
    spaced = False
    cased = False
    roles = ("subject", "place")
    stop = "。"
    question_mark = "？"

    def core(self, phrase: NounPhrase, role: str) -> Phrase:
        """Determiner, classifier, adjective, noun; a place stands between 在 and 里, a city after 在."""
        inner = self._bare(phrase)
        if role != "place":
            return inner
        localiser = Tok("里", "里", "ADP") if isinstance(phrase, Common) else None
        items: list[Item] = [
            ("core", Tok("在", "在", "ADP"), "case"),
            ("core", inner, ""),
            ("core", localiser, "case"),
        ]
        return join(inner.head, items)

    def _bare(self, phrase: NounPhrase) -> Phrase:
        if isinstance(phrase, Pronoun):
            feats = {"Person": "3" if phrase.person == "they" else "1", "PronType": "Prs"}
            if phrase.person != "I":
                feats["Number"] = "Plur"
            form = _PRONOUNS[phrase.person]
            token = Tok(form, form.removesuffix("们"), "PRON", feats)
            return join(token, [("core", token, "")])
        if isinstance(phrase, Name):
            if phrase.kind == "ORG":
                kind = self.lexicon[phrase.parts[1]][0]
                name = Tok(self.spell(phrase.parts[0]), self.spell(phrase.parts[0]), "PROPN", ner="B-ORG")
                head = Tok(kind, kind, "PROPN", ner="I-ORG")
                return join(head, [("core", name, "compound"), ("core", head, "")])
            named = self.named(phrase, [self.spell(key) for key in phrase.parts])
            if len(phrase.parts) == 2:  # given name and surname of a foreigner are joined by a dot
                dot = Tok("·", "·", "PUNCT", ner="I-PER", deprel="punct", head=named.head)
                return Phrase(named.head, [named.tokens[0], dot, named.tokens[1]], named.parts)
            return named
        word, classifier = self.lexicon[phrase.noun]
        noun = Tok(word, word, "NOUN")
        items: list[Item] = [*self._determiner(phrase, classifier), *self._adjective(phrase), ("core", noun, "")]
        return join(noun, items)

    def _determiner(self, phrase: Common, classifier: str) -> list[Item]:
        measure = Tok(classifier, classifier, "NOUN", {"NounType": "Clf"})
        some = Tok("些", "些", "NOUN", {"NounType": "Clf"})
        if phrase.det == "this":
            return self._measured(
                Tok("这", "这", "DET", {"PronType": "Dem"}), some if phrase.plural else measure, "det"
            )
        if phrase.det == "the":
            if not phrase.plural:
                return []
            return self._measured(Tok("那", "那", "DET", {"PronType": "Dem"}), some, "det")
        if phrase.det == "many":
            return [("core", Tok("许多", "许多", "NUM"), "nummod")]
        number = {"a": "一", "several": "几"}.get(phrase.det) or _NUMERALS[phrase.count - 3]
        return self._measured(Tok(number, number, "NUM", {"NumType": "Card"}), measure, "nummod")

    @staticmethod
    def _measured(first: Tok, measure: Tok, relation: str) -> list[Item]:
        """A numeral or demonstrative with its classifier, which hangs on it."""
        measure.deprel, measure.head = "clf", first
        return [("core", join(first, [("core", first, ""), ("core", measure, "clf")]), relation)]

    def _adjective(self, phrase: Common) -> list[Item]:
        if not phrase.adjective:
            return []
        word = self.lexicon[phrase.adjective][0]
        adjective = Tok(word, word, "ADJ")
        of = Tok("的", "的", "PART") if len(word) > 1 else None
        return [("core", join(adjective, [("core", adjective, ""), ("core", of, "mark:rel")]), "amod")]

    def relative(self, noun: Common, core: Phrase, relative: Relative, role: str, tense: Tense) -> Phrase:
        """The clause, 的, the noun; 在 stands before it all."""
        of = Tok("的", "的", "PART")
        other = self.np(relative.other, "subject", tense) if relative.other else None
        verb, head = self._verb(relative.verb, tense, negative=False)
        if relative.role == "subject":
            items: list[Item] = [*verb, ("other", other, "obj"), ("of", of, "mark:rel")]
        else:
            items = [("other", other, "nsubj"), *verb, ("of", of, "mark:rel")]
        clause = join(head, items)
        head.deprel, head.head = "acl:relcl", core.head
        return Phrase(core.head, clause.tokens + core.tokens, [*clause.parts, ("core", core.tokens)])

    def _verb(self, concept: str, tense: Tense, *, negative: bool) -> tuple[list[Item], Tok]:
        """The verb with its aspect particle, auxiliary and negation."""
        word, particle = self.lexicon[concept]
        head = Tok(word, word, "VERB")
        completed = None
        before: list[Tok] = []
        if tense == "past":
            if negative:
                before = [Tok("没有", "没有", "AUX", {"Polarity": "Neg"})]
            elif particle == "+":
                completed = Tok(_COMPLETED, _COMPLETED, "AUX", {"Aspect": "Perf"})
        else:
            if negative:
                before = [Tok("不", "不", "ADV", {"Polarity": "Neg"})]
            if tense == "future":
                before.append(Tok("会", "会", "AUX"))
        items: list[Item] = [("v1", token, "advmod" if token.upos == "ADV" else "aux") for token in before]
        return [*items, ("v2", head, ""), ("v2", completed, "aux")], head

    def clause(self, clause: Clause, mode: str) -> Phrase:
        """Subject, time, negation and auxiliary, place, manner, verb, object or content."""
        verb, head = self._verb(clause.verb, clause.tense, negative=clause.negative)
        subject = self.np(clause.subject, "subject", clause.tense)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, verb)])

    def _rest(self, clause: Clause, verb: list[Item], asked: str = "") -> list[Item]:
        content = self.clause(clause.content, "content") if clause.content else None
        content = Phrase(content.head, content.tokens, [("content", content.tokens)]) if content else None
        where = Tok("哪里", "哪里", "PRON", {"PronType": "Int"})
        when = Tok("什么时候", "什么时候", "PRON", {"PronType": "Int"})
        place: Phrase | None = self.np(clause.place, "place", clause.tense) if clause.place else None
        if asked == "place":
            place = join(where, [("who", Tok("在", "在", "ADP"), "case"), ("who", where, "")])
        time: Phrase | Tok | None = self.time(clause.time) if clause.time else None
        object_: Phrase | Tok | None = self.np(clause.object, "subject", clause.tense) if clause.object else None
        if asked == "object":
            object_ = self._asking(clause.object)
        return [
            ("time", when if asked == "time" else time, "advmod" if self._is_adverb(time) else "obl:tmod"),
            *[item for item in verb if item[0] == "v1"],
            ("place", place, "obl"),
            ("manner", self.manner(clause.manner) if clause.manner else None, "advmod"),
            *[item for item in verb if item[0] == "v2"],
            ("object", object_, "obj"),
            ("content", content, "ccomp"),
        ]

    @staticmethod
    def _is_adverb(time: Phrase | Tok | None) -> bool:
        return isinstance(time, Phrase) and time.head.upos == "ADV"

    @staticmethod
    def _asking(phrase: NounPhrase | None) -> Tok:
        person = not isinstance(phrase, Common) or concepts().nouns[phrase.noun].kind == "person"
        word = "谁" if person else "什么"
        return Tok(word, word, "PRON", {"PronType": "Int"})

    def link(self, statement: Statement, main: Phrase, second: Phrase) -> Phrase:
        """`S ，而且 S`, `S ，但是 S`, `因为 S ，所以 S`, `S 的时候 ，S`."""
        comma = self.punct("，")
        if statement.link in {"and", "but"}:
            word = {"and": "而且", "but": "但是"}[statement.link]
            conjunction = Tok(word, word, "CCONJ")
            for token, relation in ((comma, "punct"), (conjunction, "cc")):
                token.deprel, token.head = relation, second.head
            return join(
                main.head,
                [("main", main, ""), ("comma", comma, ""), ("link", conjunction, ""), ("second", second, "conj")],
            )
        if statement.link == "because":
            because, so = Tok("因为", "因为", "SCONJ"), Tok("所以", "所以", "CCONJ")
            because.deprel, because.head = "mark", second.head
            return join(
                main.head,
                [
                    ("because", because, ""),
                    ("second", second, "advcl"),
                    ("comma", comma, "punct"),
                    ("so", so, "mark"),
                    ("main", main, ""),
                ],
            )
        of, moment = Tok("的", "的", "PART"), Tok("时候", "时候", "NOUN")
        of.deprel, of.head = "mark:rel", second.head
        second.head.deprel, second.head.head = "acl", moment
        items: list[Item] = [("second", second, "acl"), ("of", of, ""), ("when", moment, "")]
        when = join(moment, items)
        second.head.deprel, second.head.head = "acl", moment
        of.deprel, of.head = "mark:rel", second.head
        moment.deprel, moment.head = "obl:tmod", main.head
        comma.deprel, comma.head = "punct", main.head
        return Phrase(
            main.head,
            [*when.tokens, comma, *main.tokens],
            [*when.parts, ("comma", [comma]), ("main", main.tokens)],
        )

    def time(self, time: str) -> Phrase:
        """One word, or a year with 年."""
        if year := year_of(time):
            number, unit = Tok(str(year), str(year), "NUM", {"NumType": "Card"}), Tok("年", "年", "NOUN")
            return join(unit, [("time", number, "nummod"), ("time", unit, "")])
        word = self.lexicon[time][0]
        token = Tok(word, word, "ADV" if time in {"often", "soon"} else "NOUN")
        return join(token, [("time", token, "")])

    def manner(self, manner: str) -> Tok:
        """An adverb with 地."""
        return Tok(self.lexicon[manner][0], self.lexicon[manner][0], "ADV")

    def question(self, clause: Clause, asked: Role) -> Phrase:
        """The interrogative word stands where the answer stands."""
        verb, head = self._verb(clause.verb, clause.tense, negative=False)
        subject: Phrase | Tok = self.np(clause.subject, "subject", clause.tense)
        if asked == "subject":
            subject = self._asking(clause.subject)
        return join(head, [("subject", subject, "nsubj"), *self._rest(clause, verb, asked)])
