"""Word order moved in a dependency tree (Ravfogel et al. 2019, on UD v2 labels).

Only verbal nodes are reordered, recursively. Around a verb there are four groups:

- S: subtrees of `nsubj` and `csubj`;
- O: subtrees of `obj`, `ccomp` and `xcomp`;
- V: the verb with `aux`, `compound:prt`, `expl`, `advmod` (negation too) and the infinitive's mark (`to`, `zu`);
- the rest (`iobj`, `obl`, `nmod`, `punct`, `conj`, interrogative and relative words, ...), which keeps its side.

A clause is written as: rest on the left, S, O and V in the order asked for, rest on the right; each group in surface
order, each subtree in one piece. Sentence-final punctuation stays last. Sub-types (`nsubj:pass`) count as their type.
"""

from collections.abc import Callable, Sequence

from babelscope.data.languages import read_tag

from services.datagen.trees.tree import Tree

ORDERS = ("SOV", "VOS", "VSO", "OSV", "OVS", "SVO")

_SUBJECTS = frozenset({"nsubj", "csubj"})
_OBJECTS = frozenset({"obj", "ccomp", "xcomp"})
_WITH_VERB = frozenset({"aux", "expl", "advmod"})
_INFINITIVE_MARKS = frozenset({"to", "zu", "te", "att", "at", "å"})
_QUESTION_TYPES = frozenset({"Int", "Rel"})
_DETERMINERS = frozenset({"det", "case", "nmod", "amod", "advmod"})
_ENGLISH_QUESTION_WORDS = frozenset({"who", "whom", "whose", "which", "what", "when", "where", "why", "how"})


def reordered(tree: Tree, order_of: Callable[[int], str], language: str = "") -> list[int]:
    """The positions of all words in their new order.

    Args:
        tree: The tree.
        order_of: For the position of a verb: `SOV`, `VOS`, `VSO`, `OSV`, `OVS` or `SVO`. Asked once a verb, in surface
            order of the verbs.
        language: BCP 47 tag; it helps to know interrogative words where the words carry no features.

    Returns:
        A permutation of `range(len(tree.words))`: entry i is the old position of the word that now stands at i. Where
        the tree was projective it stays so, but for sentence-final punctuation.
    """
    final = final_punctuation(tree)
    held = set(final)
    orders = {word: order_of(word) for word in range(len(tree.words)) if tree.words[word].upos == "VERB"}
    spelled: dict[int, list[int]] = {}
    for node in reversed(tree.order):
        children = [child for child in tree.children[node] if child not in held]
        order = orders.get(node)
        parts = _clause(tree, node, children, order, language) if order else sorted([*children, node])
        spelled[node] = [word for part in parts for word in ([node] if part == node else spelled.pop(part))]
    return spelled[tree.root] + final


def final_punctuation(tree: Tree) -> list[int]:
    """The punctuation at the end of a sentence, in surface order: words without dependents of their own."""
    start = len(tree.words)
    while start > 0 and _is_punctuation(tree, start - 1) and start - 1 != tree.root and not tree.children[start - 1]:
        start -= 1
    return list(range(start, len(tree.words)))


def _clause(tree: Tree, verb: int, children: Sequence[int], order: str, language: str) -> list[int]:
    """The verb and its dependents in their new order."""
    groups: dict[str, list[int]] = {"S": [], "O": [], "V": [verb]}
    left: list[int] = []
    right: list[int] = []
    for child in children:
        group = _group(tree, child, language)
        if group:
            groups[group].append(child)
        else:
            (left if child < verb else right).append(child)
    core = [word for group in order for word in sorted(groups[group])]
    return left + core + right


def _group(tree: Tree, child: int, language: str) -> str:
    word = tree.words[child]
    relation = word.deprel.split(":")[0]
    if _asks(tree, child, language):
        return ""
    if relation in _SUBJECTS:
        return "S"
    if relation in _OBJECTS:
        return "O"
    if relation in _WITH_VERB or word.deprel == "compound:prt":
        return "V"
    if relation == "mark" and word.form.lower() in _INFINITIVE_MARKS:
        return "V"
    return ""


def _asks(tree: Tree, child: int, language: str) -> bool:
    """Whether a phrase is interrogative or relative: its head is, or a determiner or preposition's partner in it."""
    if tree.words[child].deprel.split(":")[0] in {"ccomp", "xcomp", "csubj"}:
        return False  # an indirect question moves as a whole
    near = [
        word for word in tree.children[child] if word < child and tree.words[word].deprel.split(":")[0] in _DETERMINERS
    ]
    return any(_is_question_word(tree, word, language) for word in (child, *near))


def _is_question_word(tree: Tree, position: int, language: str) -> bool:
    word = tree.words[position]
    for feature in word.feats.split("|"):
        name, _, value = feature.partition("=")
        if name == "PronType" and _QUESTION_TYPES.intersection(value.split(",")):
            return True
    return not word.feats and read_tag(language).base == "en" and word.form.lower() in _ENGLISH_QUESTION_WORDS


def _is_punctuation(tree: Tree, position: int) -> bool:
    word = tree.words[position]
    return word.upos == "PUNCT" or word.deprel.split(":")[0] == "punct"
