"""Rows of `tree`, `tree_util`, `flatten_util`; and where the names that no call on arrays can check are checked."""

import functools

import ml_dtypes
import numpy as np
from api_draw import INTS, NUMBERS, REAL, Draw, arrays_of, call, with_arrays
from api_harness import Elsewhere, Row, Value, find

NO_ARRAYS = "answers no arrays"


def tree(d: Draw, kinds=NUMBERS, depth=2, **options):
    """A nest of dicts, lists, tuples and None with arrays at its leaves."""
    match d.integer(0, 4 if depth else 0):
        case 0:
            return d.array(kinds, d.shape(0, 2), **options)
        case 1:
            return {name: tree(d, kinds, depth - 1, **options) for name in "ba"[:d.integer(0, 2)]}
        case 2:
            return [tree(d, kinds, depth - 1, **options) for _ in range(d.integer(0, 2))]
        case 3:
            return tuple(tree(d, kinds, depth - 1, **options) for _ in range(d.integer(1, 2)))
    return [None, tree(d, kinds, depth - 1, **options)]


def leaves(x) -> list:
    """In the order of JAX's trees, where dicts are sorted by their keys."""
    if isinstance(x, dict):
        return [leaf for key in sorted(x) for leaf in leaves(x[key])]
    if isinstance(x, (list, tuple)):
        return [leaf for child in x for leaf in leaves(child)]
    return [] if x is None else [x]


def paths(x, path="") -> list:
    """The leaves with their paths, written as ``keystr`` does."""
    if isinstance(x, dict):
        return [pair for key in sorted(x) for pair in paths(x[key], f"{path}[{key!r}]")]
    if isinstance(x, (list, tuple)):
        return [pair for i, child in enumerate(x) for pair in paths(child, f"{path}[{i}]")]
    return [] if x is None else [(path, x)]


def mapped(f, *trees):
    """``f`` of the leaves that stand at the same place."""
    x = trees[0]
    if isinstance(x, dict):
        return {key: mapped(f, *(t[key] for t in trees)) for key in x}
    if isinstance(x, (list, tuple)):
        return type(x)(mapped(f, *children) for children in zip(*trees))
    return None if x is None else f(*trees)


def one(d):
    return call(tree(d))


def several(f):
    """A function, and trees of the same structure."""
    def calls(d: Draw):
        first = tree(d, ("float32", "int32", "float64"))
        second = with_arrays(first, iter([x[::-1] if x.ndim else x for x in arrays_of(call(first))]))
        return call(f, first, *(second,) * d.integer(0, 1))
    return calls


def combine(*xs):
    return sum(x * (i + 2) for i, x in enumerate(xs))


def with_paths(names):
    """The function with the paths in its result written out."""
    def fn(root):
        found = find(root, names)

        def written(x):
            pairs, *rest = (found(x),) if "leaves" in names else found(x)
            return [(root.tree_util.keystr(path), leaf) for path, leaf in pairs]
        return written
    return fn


def told_paths(name):
    def fn(root):
        found = find(root, name)
        return lambda x: found(lambda path, leaf: leaf * len(root.tree_util.keystr(path)), x)
    return fn


def scalars(d: Draw):
    """A tree with elements that can be added up: equal shapes and dtypes."""
    x = tree(d, ("float32", "int32"))
    return with_arrays(x, iter([d.array(("float32",), (2,)) for _ in arrays_of(call(x))]))


def transposed(d: Draw):
    """A list or dict of tuples."""
    inner = [tuple(d.array(REAL, (2,)) for _ in range(3)) for _ in range(d.integer(1, 2))]
    return call(inner if d.flag() else dict(zip("ab", inner)))


def turn(x):
    children = [x[k] for k in sorted(x)] if isinstance(x, dict) else x
    outer = (lambda parts: dict(zip(sorted(x), parts))) if isinstance(x, dict) else list
    return tuple(outer([child[i] for child in children]) for i in range(3))


def transpose(name):
    def fn(root):
        found = find(root, name)
        structure = root.tree.structure

        def turned(x):
            outer = structure({k: 0 for k in x} if isinstance(x, dict) else [0 for _ in x])
            return found(outer, structure((0, 0, 0)), x)
        return turned
    return fn


def round_trip(flatten, unflatten):
    """Taken apart and put together again."""
    def fn(root):
        apart = find(root, flatten)
        together = find(root, unflatten)

        def trip(x):
            flat, structure = apart(x)
            return flat, together(structure, [leaf + 1 for leaf in flat])
        return trip
    return fn


def widen(x, like):
    """``x`` with each of its leaves repeated to the structure below it in ``like``."""
    if isinstance(x, dict):
        return {k: widen(x[k], like[k]) for k in x}
    if isinstance(x, (list, tuple)):
        return type(x)(widen(a, b) for a, b in zip(x, like))
    return None if x is None else mapped(lambda _: x, like)


def prefixes(d: Draw):
    first = tree(d, ("float32",), depth=1)
    return call(first, mapped(lambda x: [x, {"c": x}], first))


def ravel(d: Draw):
    x = tree(d, d.pick(("float32",), INTS, ("float32", "bfloat16", "int32"), ("complex64", "float32")))
    return call(x)


def there_and_back(root):
    def trip(x):
        flat, unravel = root.flatten_util.ravel_pytree(x)
        return flat, unravel(flat)
    return trip


def flat_oracle(x):
    parts = [np.ravel(leaf) for leaf in leaves(x)]
    return np.concatenate(parts) if parts else np.zeros(0), x


ROWS = [
    Row("tree.leaves tree_util.tree_leaves", leaves, one),
    Row("tree.map tree_util.tree_map tree_util.tree_multimap", mapped, several(combine)),
    Row("tree.flatten", lambda x: (leaves(x), mapped(lambda leaf: leaf + 1, x)), one, fn=round_trip("tree.flatten", "tree.unflatten")),
    Row("tree_util.tree_flatten", lambda x: (leaves(x), mapped(lambda leaf: leaf + 1, x)), one, examples=3,
        fn=round_trip("tree_util.tree_flatten", "tree_util.tree_unflatten")),
    Row("tree.flatten_with_path", paths, one, fn=with_paths("tree.flatten_with_path")),
    Row("tree.leaves_with_path", paths, one, fn=with_paths("tree.leaves_with_path")),
    Row("tree_util.tree_flatten_with_path", paths, one, fn=with_paths("tree_util.tree_flatten_with_path"), examples=3),
    Row("tree_util.tree_leaves_with_path", paths, one, fn=with_paths("tree_util.tree_leaves_with_path"), examples=3),
    Row("tree.map_with_path", lambda x: mapped(lambda pair: pair[1] * len(pair[0]), zipped(x)), one, fn=told_paths("tree.map_with_path")),
    Row("tree_util.tree_map_with_path", lambda x: mapped(lambda pair: pair[1] * len(pair[0]), zipped(x)), one,
        fn=told_paths("tree_util.tree_map_with_path"), examples=3),
    Row("tree.reduce tree_util.tree_reduce", lambda f, x, start: functools.reduce(f, leaves(x), start),
        lambda d: call(lambda a, b: a + 2 * b, scalars(d), 1.0)),
    Row("tree.reduce_associative tree_util.tree_reduce_associative", lambda f, x, identity: sum(leaves(x), identity),
        lambda d: call(lambda a, b: a + b, scalars(d), identity=0.0)),
    Row("tree.all tree_util.tree_all", lambda x, is_leaf=None: all(leaves(x)),
        lambda d: call(d.pick({"a": True, "b": [False]}, [True, (1, 2)], [], [True, None], {"a": 0})),
        jit=False, vmap=False, grad=False, why=NO_ARRAYS),
    Row("tree.transpose", turn, transposed, fn=transpose("tree.transpose")),
    Row("tree_util.tree_transpose", turn, transposed, fn=transpose("tree_util.tree_transpose"), examples=3),
    Row("tree.broadcast tree_util.tree_broadcast", widen, prefixes),
    Row("flatten_util.ravel_pytree", flat_oracle, ravel, fn=there_and_back),

    Elsewhere("tree.structure tree.unflatten tree.static tree_util.DictKey tree_util.FlattenedIndexKey tree_util.GetAttrKey "
              "tree_util.SequenceKey tree_util.KeyEntry tree_util.KeyPath tree_util.Partial tree_util.PyTreeDef "
              "tree_util.tree_structure tree_util.tree_unflatten tree_util.all_leaves tree_util.build_tree "
              "tree_util.default_registry tree_util.flatten_one_level tree_util.flatten_one_level_with_keys "
              "tree_util.is_tree_node tree_util.keystr tree_util.register_dataclass tree_util.register_pytree_node "
              "tree_util.register_pytree_node_class tree_util.register_pytree_with_keys "
              "tree_util.register_pytree_with_keys_class tree_util.register_static tree_util.treedef_children "
              "tree_util.treedef_is_leaf tree_util.treedef_tuple", "types/test_pytrees.py"),
    Elsewhere("dtypes.TypePromotionError dtypes.canonicalize_dtype dtypes.finfo dtypes.iinfo dtypes.issubdtype "
              "dtypes.itemsize_bits dtypes.prng_key dtypes.result_type dtypes.scalar_type_of", "types/test_dtypes.py"),
    Elsewhere("dtypes.extended", "random/test_keys.py"),
    Value("dtypes.float0", lambda name: np.dtype([("float0", "V")])),
    Value("dtypes.bfloat16", lambda name: ml_dtypes.bfloat16),
    Elsewhere("errors.ConcretizationTypeError errors.InconclusiveDimensionOperation errors.JAXIndexError errors.JAXTypeError "
              "errors.JaxRuntimeError errors.JaxprTypeError errors.KeyReuseError errors.NonConcreteBooleanIndexError "
              "errors.TracerArrayConversionError errors.TracerBoolConversionError errors.TracerIntegerConversionError "
              "errors.UnexpectedTracerError", "util/test_errors.py"),
    Elsewhere("dlpack.from_dlpack", "runtime/test_transfer.py"),
    Elsewhere("dlpack.is_supported_dtype", "api/test_stages_members.py"),
    Elsewhere("custom_derivatives.CustomVJPPrimal custom_derivatives.SymbolicZero custom_derivatives.closure_convert "
              "custom_derivatives.custom_gradient custom_derivatives.custom_vjp custom_derivatives.zero_from_primal "
              "custom_derivatives.custom_vjp_primal_tree_values", "control/test_custom_vjp.py"),
    Elsewhere("custom_derivatives.custom_jvp_call_p custom_derivatives.custom_vjp_call_p custom_derivatives.remat_opt_p",
              "op_table_control.py"),
    Elsewhere("typing.ArrayLike typing.DTypeLike", "api/test_typing.py"),
    Elsewhere("custom_derivatives.custom_jvp", "control/test_custom_jvp.py"),
    Elsewhere("custom_derivatives.linear_call", "control/test_linear_solve.py"),
    Elsewhere("custom_batching.custom_vmap custom_batching.sequential_vmap", "control/test_custom_batching.py"),
    Elsewhere("test_util.check_grads test_util.check_jvp test_util.check_vjp", "tools/test_gradient_checks.py"),
]


def zipped(x, path=""):
    """Each leaf as a pair of its path and itself, in a box that `mapped` does not open."""
    if isinstance(x, dict):
        return {key: zipped(x[key], f"{path}[{key!r}]") for key in x}
    if isinstance(x, (list, tuple)):
        return type(x)(zipped(child, f"{path}[{i}]") for i, child in enumerate(x))
    return None if x is None else Pair((path, x))


class Pair:
    def __init__(self, pair):
        self.pair = pair

    def __getitem__(self, i):
        return self.pair[i]
