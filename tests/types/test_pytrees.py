"""Pytrees: taking apart and putting together, registration, key paths, prefixes, errors."""

import collections
import copy
import dataclasses
import functools
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ferax import tree, tree_util as tu
from ferax._src.types import pytrees

Point = collections.namedtuple("Point", "x y")


@tu.register_pytree_node_class
class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def tree_flatten(self):
        return (self.a, self.b), None

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(*children)

    def __eq__(self, other):
        return type(other) is Pair and (self.a, self.b) == (other.a, other.b)


@tu.register_pytree_with_keys_class
class Tagged:
    def __init__(self, value, tag):
        self.value, self.tag = value, tag

    def tree_flatten_with_keys(self):
        return [(tu.GetAttrKey("value"), self.value)], self.tag

    @classmethod
    def tree_unflatten(cls, tag, children):
        return cls(*children, tag)


@tu.register_dataclass
@dataclasses.dataclass
class Layer:
    w: object
    b: object
    name: str = tree.static(default="relu")


@tu.register_static
@dataclasses.dataclass(frozen=True)
class Mode:
    train: bool


def containers(children):
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from("abcd"), children, max_size=3),
        st.dictionaries(st.sampled_from("abcd"), children, max_size=3).map(collections.OrderedDict),
        st.dictionaries(st.sampled_from("abcd"), children, max_size=3).map(
            lambda d: collections.defaultdict(int, d)
        ),
        st.builds(Point, children, children),
        st.builds(Pair, children, children),
        st.builds(Layer, children, children, st.sampled_from(["tanh", "relu"])),
    )


trees = st.recursive(st.one_of(st.integers(), st.none()), containers, max_leaves=12)


# -- laws ---------------------------------------------------------------------------------------------------------


@given(trees)
def test_unflatten_inverts_flatten(t):
    leaves, treedef = tree.flatten(t)
    again = tree.unflatten(treedef, leaves)
    assert again == t and type(again) is type(t)
    assert tree.structure(again) == treedef and hash(tree.structure(again)) == hash(treedef)
    assert tree.leaves(t) == leaves and treedef.num_leaves == len(leaves)
    assert tu.all_leaves(leaves)
    assert pickle.loads(pickle.dumps(treedef)) == treedef


@given(trees)
def test_map_keeps_the_structure_and_composes(t):
    assert tree.map(lambda x: x, t) == t
    assert tree.map(lambda x: 2 * (x + 1), t) == tree.map(lambda x: 2 * x, tree.map(lambda x: x + 1, t))
    assert tree.map(lambda x, y: x - y, t, t) == tree.map(lambda x: 0, t)


@given(trees)
def test_paths_lead_to_the_leaves(t):
    pairs, treedef = tree.flatten_with_path(t)
    assert treedef == tree.structure(t) and [x for _, x in pairs] == tree.leaves(t)
    assert tree.leaves_with_path(t) == pairs
    for path, leaf in pairs:
        here = t
        for key in path:
            if isinstance(key, tu.GetAttrKey):
                here = getattr(here, key.name)
            elif isinstance(key, tu.FlattenedIndexKey):
                here = tu.flatten_one_level(here)[0][key.key]
            else:
                here = here[pytrees.key_value(key)]
        assert here is leaf


@given(trees)
def test_a_leaf_is_a_prefix_of_anything(t):
    assert pytrees.broadcast_prefix(7, t) == [7] * len(tree.leaves(t))
    assert tree.broadcast(7, t) == tree.map(lambda _: 7, t)
    assert pytrees.broadcast_prefix(t, t) == tree.leaves(t)
    assert pytrees.flatten_axes("axes", tree.structure(t), None) == [None] * len(tree.leaves(t))
    assert pytrees.flatten_axes("axes", tree.structure(t), tree.map(lambda _: 1, t)) == [1] * len(
        tree.leaves(t)
    )
    assert not pytrees.prefix_errors(t, t) and not list(pytrees.equality_errors(t, t))


@given(trees, trees)
def test_differences_are_found_exactly_where_structures_differ(t, u):
    differ = tree.structure(t) != tree.structure(u)
    assert bool(list(pytrees.equality_errors(t, u))) == differ
    assert bool(pytrees.explain_mismatch(t, u)) == differ
    assert bool(list(pytrees.equality_errors_pytreedef(tree.structure(t), tree.structure(u)))) == differ
    try:
        tree.structure(t).flatten_up_to(u)
        fits = True
    except ValueError:
        fits = False
    assert bool(pytrees.prefix_errors(t, u)) != fits


# -- nodes and leaves ---------------------------------------------------------------------------------------------


def test_what_is_a_node():
    assert tree.leaves({"b": 1, "a": [2, None, (3, {})]}) == [2, 3, 1]
    assert tree.leaves(collections.OrderedDict(b=1, a=2)) == [1, 2]
    assert tree.leaves(collections.defaultdict(int, b=1, a=2)) == [2, 1]
    assert (
        tree.leaves(np.arange(3))[0].shape == (3,)
        and tree.leaves("abc") == ["abc"]
        and tree.leaves({1, 2}) == [{1, 2}]
    )
    assert tree.leaves(Mode(True)) == [] and tree.structure(Mode(True)) != tree.structure(Mode(False))
    for cls in (list, tuple, dict, type(None), collections.OrderedDict, Point, Pair, Layer, Mode, tu.Partial):
        assert tu.is_tree_node(cls), cls
    assert not tu.is_tree_node(int) and not tu.is_tree_node(np.ndarray)

    class SubPair(Pair):
        pass

    assert len(tree.leaves(SubPair(1, 2))) == 1  # registration is by exact class
    assert pytrees.none_leaf_registry.flatten([None, Pair(1, None)], None)[0] == [None, 1, None]
    assert pytrees.dispatch_registry.flatten([Pair(1, 2), Layer(3, 4)], None)[0] == [1, 2, 3, 4]
    assert list in pytrees.node_types and Pair in pytrees.node_types


@pytest.mark.parametrize("t", [(1, 2), [1], {"b": 1, "a": 2}, None, Pair(1, 2), Layer(1, 2, "tanh")])
def test_node_types_take_apart_and_put_together(t):
    entry = pytrees.node_types[type(t)]
    children, aux = entry.to_iter(t)
    assert entry.from_iter(aux, children) == t
    assert list(children) == list(tu.flatten_one_level(t)[0])


def test_is_leaf():
    is_pair = lambda x: isinstance(x, tuple)
    assert tree.leaves([(1, 2), (3, 4)], is_leaf=is_pair) == [(1, 2), (3, 4)]
    assert tree.map(sum, [(1, 2), (3, 4)], is_leaf=is_pair) == [3, 7]
    assert tree.map(lambda x, y: (x, y), [None, 1], [2, 3], is_leaf=lambda x: x is None) == [
        (None, 2),
        (1, 3),
    ]
    assert tree.reduce(lambda n, p: n + len(p), [(1, 2), (3, 4)], 0, is_leaf=is_pair) == 4
    by_path = lambda path, x: len(path) == 1
    assert tree.leaves_with_path({"a": [1], "b": 2}, by_path, True) == [
        ((tu.DictKey("a"),), [1]),
        ((tu.DictKey("b"),), 2),
    ]
    assert tree.map_with_path(lambda p, x: len(p), [[1], 2], is_leaf=by_path, is_leaf_takes_path=True) == [
        1,
        1,
    ]
    assert tu.all_leaves([(1, 2), 3], is_leaf=is_pair) and not tu.all_leaves([(1, 2)])


def test_map_with_deeper_rest():
    assert tree.map(lambda x, y: (x, y), [1, 2], [[10, 11], None]) == [(1, [10, 11]), (2, None)]


def test_folds():
    assert tree.reduce(lambda a, b: a + b, {"a": 1, "b": [2, 3]}) == 6
    assert tree.reduce(lambda a, b: (a, b), [1, 2], None) == ((None, 1), 2)
    assert tree.reduce_associative(lambda a, b: (a, b), [1, 2, 3, 4, 5]) == ((1, 2), (3, (4, 5)))
    assert tree.reduce_associative(max, [], identity=0) == 0
    with pytest.raises(TypeError, match="identity"):
        tree.reduce_associative(max, [])
    with pytest.raises(TypeError):
        tree.reduce(max, [])
    assert tree.all([]) and tree.all([1, True]) and not tree.all([1, [0]])


def test_transpose():
    outer, inner = tree.structure([0, 0, 0]), tree.structure({"a": 0, "b": 0})
    t = [{"a": i, "b": 10 * i} for i in range(3)]
    assert (
        tree.transpose(outer, inner, t)
        == tree.transpose(outer, None, t)
        == {"a": [0, 1, 2], "b": [0, 10, 20]}
    )
    with pytest.raises(TypeError, match=r"Mismatch.*\n.*\[\*, \*\]"):
        tree.transpose(outer, inner, [1, 2])
    with pytest.raises(ValueError, match="inner_treedef must be given"):
        tree.transpose(tree.structure([]), None, [])


def test_structures():
    a, b = tree.structure([1, 2]), tree.structure({"x": 1})
    assert tu.treedef_tuple([a, b]) == tree.structure(([1, 2], {"x": 1}))
    assert tu.treedef_children(tree.structure(([1, 2], {"x": 1}))) == [a, b]
    assert tu.treedef_is_leaf(tree.structure(1)) and not tu.treedef_is_leaf(a)
    assert pytrees.treedef_is_strict_leaf(tree.structure(1)) and not pytrees.treedef_is_strict_leaf(
        tree.structure(None)
    )
    assert tu.build_tree(a, [3, 4]) == [3, 4]
    assert str(a) == "PyTreeDef([*, *])" and isinstance(a, tu.PyTreeDef)
    with pytest.raises(ValueError, match="Too few leaves"):
        tree.unflatten(a, [1])
    with pytest.raises(ValueError, match="Too many leaves"):
        tree.unflatten(a, [1, 2, 3])
    assert pytrees.tree_leaves_checked(a, [5, 6]) == [5, 6]
    with pytest.raises(ValueError, match="different lengths of list"):
        pytrees.tree_leaves_checked(a, [5])
    treedef = tree.structure([Layer(1, 2, "tanh"), Point(1, {"a": None})])
    assert pickle.loads(pickle.dumps(treedef)) == treedef == copy.deepcopy(treedef)


def test_an_error_of_the_mapped_function_passes():
    with pytest.raises(ZeroDivisionError):
        tree.map(lambda x: 1 / x, [1, 0])

    def bad(x, y):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$"):
        tree.map(bad, [1], [2])


def test_unsortable_dict_keys():
    for flatten in (tree.flatten, tree.leaves, tree.structure, tree.flatten_with_path):
        with pytest.raises(ValueError, match=r"cannot be sorted.*\[1, 'a'\].*OrderedDict"):
            flatten([0, {1: 2, "a": 3}])


# -- registration -------------------------------------------------------------------------------------------------


def test_register_dataclass():
    layer = Layer(1, [2, 3], "tanh")
    leaves, treedef = tree.flatten(layer)
    assert leaves == [1, 2, 3] and treedef.unflatten(leaves) == layer
    assert treedef != tree.structure(Layer(1, [2, 3], "relu"))
    assert [tu.keystr(p) for p, _ in tree.leaves_with_path(layer)] == [".w", ".b[0]", ".b[1]"]

    @functools.partial(tu.register_dataclass, data_fields=["x"], meta_fields=["y"], drop_fields=["z"])
    @dataclasses.dataclass
    class Dropped:
        x: int
        y: int
        z: int = 3

    assert tree.leaves(Dropped(1, 2, 9)) == [1]
    assert tree.map(lambda x: x + 1, Dropped(1, 2, 9)) == Dropped(2, 2, 3)

    class Plain:
        def __init__(self, x):
            self.x = x

    assert tu.register_dataclass(Plain, ["x"], []) is Plain and tree.leaves(Plain(4)) == [4]


def test_register_dataclass_checks():
    @dataclasses.dataclass
    class D:
        x: int
        y: int
        z: int = 3

    for args, error, words in [
        (
            (D, ["x"], ["y"]),
            ValueError,
            r"must include all dataclass fields.*Missing fields: \['z'\].*drop_fields",
        ),
        ((D, ["x", "q"], ["y", "z"]), ValueError, r"Unexpected fields: \['q'\]"),
        ((D, ["x", "y"], ["y", "z"]), ValueError, r"must not overlap.*\['y'\]"),
        ((D, ["x"]), TypeError, "must both be specified"),
        ((int,), TypeError, "required when nodetype is not a dataclass"),
        ((D(1, 2), ["x"], ["y", "z"]), TypeError, "expected a class"),
    ]:
        with pytest.raises(error, match=words):
            tu.register_dataclass(*args)
    tu.register_dataclass(D)
    with pytest.raises(ValueError, match="Duplicate"):
        tu.register_dataclass(D)


def test_register_checks():
    with pytest.raises(ValueError, match="Duplicate"):
        tu.register_pytree_node(Pair, lambda p: ((p.a, p.b), None), lambda _, c: Pair(*c))
    with pytest.raises(TypeError, match="expected a class, got 3"):
        tu.register_pytree_node(3, None, None)


def test_static_merges_metadata():
    field = tree.static(default=1, metadata={"doc": "n"})
    assert field.metadata == {"static": True, "doc": "n"} and field.default == 1


# -- paths --------------------------------------------------------------------------------------------------------


def test_register_with_keys():
    class Pair:
        def __init__(self, *children):
            self.children = children

    tu.register_pytree_with_keys(Pair, lambda p: ([(tu.SequenceKey(i), c) for i, c in enumerate(p.children)], "aux"),
                                 lambda aux, children: (aux, *children))
    pairs, structure = tu.tree_flatten_with_path(Pair(5, [6]))
    assert [(tu.keystr(path), leaf) for path, leaf in pairs] == [("[0]", 5), ("[1][0]", 6)]
    assert tu.tree_unflatten(structure, [7, 8]) == ("aux", 7, [8])
    assert structure == tu.tree_structure(Pair(1, [2])) != tu.tree_structure(Pair(1, 2))


def test_keystr():
    t = {"a": [Tagged({"w": 0}, "t"), Pair(1, 2)], "b": Point(3, 4)}
    paths = [p for p, _ in tree.leaves_with_path(t)]
    assert [tu.keystr(p) for p in paths] == [
        "['a'][0].value['w']", "['a'][1][<flat index 0>]", "['a'][1][<flat index 1>]", "['b'].x", "['b'].y",
    ]  # fmt: skip
    assert tu.keystr(paths[0], simple=True, separator="/") == "a/0/value/w"
    assert tu.keystr((tu.DictKey("a"), "x"), simple=True) == "ax" and tu.keystr(()) == ""
    assert tree.map_with_path(lambda p, x, y: (tu.keystr(p), x + y), [1], [2]) == [("[0]", 3)]


def test_flatten_one_level():
    assert tuple(tu.flatten_one_level({"b": [1], "a": 2})[0]) == (2, [1])
    assert [str(k) for k, _ in tu.flatten_one_level_with_keys(Point(1, 2))[0]] == [".x", ".y"]
    assert [str(k) for k, _ in tu.flatten_one_level_with_keys({"b": 1, "a": 2})[0]] == ["['a']", "['b']"]
    for f in (tu.flatten_one_level, tu.flatten_one_level_with_keys):
        with pytest.raises(ValueError, match="can't tree-flatten type"):
            f(3)


# -- Partial ------------------------------------------------------------------------------------------------------


def f(*args, **kwargs):
    return args, kwargs


def test_partial():
    p = tu.Partial(f, 1, a=[2])
    assert isinstance(p, functools.partial) and p(5) == ((1, 5), {"a": [2]})
    assert tree.leaves(p) == [1, 2]
    doubled = tree.map(lambda x: 2 * x, p)
    assert type(doubled) is tu.Partial and doubled(5) == ((2, 5), {"a": [4]})
    assert (
        tree.structure(p)
        == tree.structure(tu.Partial(f, 3, a=[4]))
        != tree.structure(tu.Partial(max, 3, a=[4]))
    )


def test_partial_of_a_partial_is_opaque():
    inner = functools.partial(f, 1)
    p = tu.Partial(inner, 2)
    assert tree.leaves(p) == [2] and p(3) == ((1, 2, 3), {})
    assert p.func.func is f and p.func.args == (1,) and p.func.keywords == {}
    assert tree.structure(p) == tree.structure(tu.Partial(inner, 7))
    assert p.func == inner and hash(p.func) == hash(inner)
    again = pickle.loads(pickle.dumps(p))
    assert again(3) == p(3) and tree.leaves(again) == [2]


# -- prefixes -----------------------------------------------------------------------------------------------------


def test_broadcast():
    assert tree.broadcast((1, 2, 3), (0, {"a": 0, "b": 0}, (0, 0))) == (1, {"a": 2, "b": 2}, (3, 3))
    assert pytrees.broadcast_prefix((1, None), ((0, 0), None)) == [1, 1]
    assert pytrees.broadcast_prefix((1, None), (0, [0, 0]), is_leaf=lambda x: x is None) == [1, None, None]
    with pytest.raises(
        ValueError, match=r"different types at key path\n    prefix_tree\[1\]\n.*a tuple.*a list"
    ):
        tree.broadcast((1, (2,)), (0, [0]))


def test_flatten_axes():
    treedef = tree.structure((1, {"a": 2, "b": (3, 4)}))
    assert pytrees.flatten_axes("in_axes", treedef, 0) == [0] * 4
    assert pytrees.flatten_axes("in_axes", treedef, (None, {"a": 1, "b": 2})) == [None, 1, 2, 2]
    assert pytrees.flatten_axes("in_axes", treedef, (True, 1)) == [True, 1, 1, 1]
    assert pytrees.flatten_axes("in_axes", tree.structure((1, None)), (0, 1)) == [0]
    leaves, prefix = tree.flatten((5, 6))
    assert pytrees.broadcast_flattened_prefix_with_treedef(leaves, prefix, treedef) == [5, 6, 6, 6]


def test_flatten_axes_errors():
    treedef = tree.structure((1, [2, 3]))
    with pytest.raises(ValueError) as e:
        pytrees.flatten_axes("vmap in_axes", treedef, (0, [1]), tupled_args=True)
    text = str(e.value)
    assert text.startswith("vmap in_axes specification must be a tree prefix of the corresponding value")
    assert "vmap in_axes[1]\n" in text and "list of length 1" in text and "list of length 2" in text
    assert "PyTreeDef((*, [*, *]))" in text
    with pytest.raises(ValueError, match=r"wrap in_axes in a tuple of one: \(\[0, 1\],\)"):
        pytrees.flatten_axes("in_axes", tree.structure(([1, 2],)), [0, 1], tupled_args=True)
    with pytest.raises(ValueError, match=r"tuple of length 3"):
        pytrees.flatten_axes("in_axes", tree.structure(((1, 2, 3), {})), ((0, 1), 0), kws=True)
    with pytest.raises(ValueError, match=r"a list of length 1, but the full pytree has a leaf"):
        pytrees.flatten_axes("in_axes", tree.structure((1, 2)), (0, [None]))


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first, second, words", [
    ({"a": [1, 2]}, {"a": [1, 2, 3]}, ["different lengths of list", "tree['a']\n", "list of length 3", "({'a': [*, *]})"]),
    ({"a": 1}, {"b": 1}, ["different keys", "only the first has 'a'", "only the second has 'b'"]),
    ({"a": 1}, {"b": 1, "a": 2}, ["different numbers of pytree children", "a dict with keys 'b', 'a'"]),
    ((1, (2,)), (1, [2]), ["different types", "tree[1]\n", "a tuple of length 1", "a list of length 1"]),
    ([None], [1], ["tree[0]\n", "None", "a leaf of type int"]),
    ([Tagged(1, "t")], [Tagged(1, "u")], ["different pytree metadata", "metadata t", "metadata u"]),
    ([Point(1, (2,))], [Point(1, ())], ["tree[0].y\n", "a tuple of length 0"]),
    (Layer(1, [2]), Layer(1, (2,)), ["tree.b\n"]),
])  # fmt: skip
def test_map_says_where_trees_part(first, second, words):
    for apply in (
        lambda: tree.map(f, first, first, second),
        lambda: tree.map_with_path(f, first, first, second),
    ):
        with pytest.raises(ValueError, match="pytree structure error: ") as e:
            apply()
        assert "tree number 3" in str(e.value)
        for w in words:
            assert w in str(e.value), (w, str(e.value))


def test_explain_mismatch():
    assert pytrees.explain_mismatch([1], [2]) == ""
    text = pytrees.explain_mismatch(
        tree.structure([1]), tree.structure((1,)), names=("out", "want"), root="result"
    )
    assert "    result\nwhere out has a list of length 1, but want has a tuple of length 1" in text
    many = pytrees.explain_mismatch([()] * 9, [[]] * 9)
    assert "and 5 more such places" in many
    assert len(pytrees.structure_text([0] * 1000)) <= 500
    ((path, thing1, thing2, why),) = pytrees.equality_errors([1, (2, 3)], [1, [2, 3]])
    assert (
        tu.keystr(path) == "[1]"
        and "tuple" in thing1
        and "list" in thing2
        and why == "their Python types differ"
    )
    (error,) = pytrees.prefix_errors((1, [2]), (1, [2, 3]))
    assert "in_axes[1]" in str(error("in_axes"))


def test_public_names():
    for name in ("tree_multimap", "KeyPath", "KeyEntry", "default_registry"):
        assert hasattr(tu, name)
    assert tu.default_registry is pytrees.registry
