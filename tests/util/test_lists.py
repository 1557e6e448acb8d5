"""List helpers: each against its definition, by drawn examples."""

import pytest
from hypothesis import given, strategies as st

from ferax._src.util import lists

values = st.lists(st.integers(), max_size=12)


@given(st.lists(st.tuples(st.booleans(), st.integers())))
def test_merge_undoes_partition(pairs):
    mask, xs = lists.unzip2(pairs)
    false, true = lists.partition_list(mask, xs)
    assert false == [x for m, x in pairs if not m] and true == [x for m, x in pairs if m]
    assert lists.merge_lists(mask, false, true) == xs


@given(values, st.data())
def test_split_list(xs, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(xs)), max_size=3)))
    lengths = [b - a for a, b in zip([0, *cuts], cuts)]
    pieces = lists.split_list(xs, lengths)
    assert lists.concatenate(pieces) == xs and [len(p) for p in pieces[:-1]] == lengths
    assert lists.split_exactly(xs, [*lengths, len(pieces[-1])]) == pieces


@given(values)
def test_unique_keeps_the_first_of_each(xs):
    expected = []
    for x in xs:
        if x not in expected:
            expected.append(x)
    assert lists.unique(xs) == expected
    assert lists.unique([[x] for x in xs], key=lambda v: v[0]) == [[x] for x in expected]


def test_small_ones():
    assert lists.safe_map(lambda a, b: a + b, [1, 2], [3, 4]) == [4, 6]
    assert lists.safe_zip([1], [2]) == [(1, 2)]
    assert lists.unzip2([]) == ([], []) and lists.unzip3([(1, 2, 3), (4, 5, 6)]) == ([1, 4], [2, 5], [3, 6])
    assert lists.subs_list([None, 1, 0], "ab", [7, 8, 9]) == [7, "b", "a"]
    assert lists.moved([1, 2, 3], 0, 2) == [2, 3, 1]
    assert lists.without([1, 2, 3], 1) == [1, 3]
    assert lists.with_inserted([1, 3], 1, 2) == [1, 2, 3]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: lists.split_list([1, 2], [3]), "cannot split a list of 2 into pieces of lengths [3]"),
        (lambda: lists.split_exactly([1, 2], [1]), "pieces of lengths [1] leave 1 of 2 over"),
        (
            lambda: lists.merge_lists([True], [1], []),
            "a mask with 1 of 1 true does not merge lists of 1 and 0",
        ),
        (lambda: lists.partition_list([True], []), "zip() argument 2 is shorter than argument 1"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError) as info:
        call()
    assert str(info.value) == text


def test_unequal_lengths():
    with pytest.raises(ValueError):
        lists.safe_zip([1], [])
    with pytest.raises(ValueError):
        lists.safe_map(max, [1], [2, 3])
