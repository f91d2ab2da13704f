"""The smallest distance against the package that the paper names."""

import random

from fuzzysearch import find_near_matches

from services.datagen.text.spans import closest_span


def test_nothing_is_nearer_than_the_span_found() -> None:
    draw = random.Random(3)
    words = ["alpha", "beta", "gamma", "delta", "épsilon", "ζήτα", "ета", "語彙"]
    for _ in range(150):
        text = " ".join(draw.choices(words, k=12))
        start = draw.randrange(len(text) - 8)
        answer = list(text[start : start + draw.randint(4, 8)])
        for _ in range(draw.randint(0, 2)):
            answer[draw.randrange(len(answer))] = draw.choice("abxyζ ")
        wanted = "".join(answer)
        match = closest_span(text, wanted, start / len(text))
        theirs = find_near_matches(wanted, text, max_l_dist=match.distance)
        assert min(one.dist for one in theirs) == match.distance
        if match.distance:
            assert not find_near_matches(wanted, text, max_l_dist=match.distance - 1)
