"""Convolutions against their definition in NumPy: any arguments, the CPU's forms, the functions built on them, bad input.

Derivatives and batching are checked by the cases of `op_table_conv`.
"""

import ml_dtypes
import numpy as np
import pytest
from conv_reference import conv, dilate, pad, same_pads
from hypothesis import given, settings, strategies as st
from op_harness import compiled
from rule_checks import draw, x64

import ferax
from ferax import lax
from ferax._src.ops import conv_functions as cf, conv_lowering as cl, conv_numbers as cn
from ferax._src.ops.conv import conv_general_dilated_p
from ferax._src.types.avals import ShapedArray
from ferax._src.util import config

NHWC = ("NHWC", "HWIO", "NHWC")
PLAIN = {"padding": "VALID", "window_strides": (1, 1)}


def numbers_of(x, w, numbers):
    return cn.conv_dimension_numbers(np.shape(x), np.shape(w), numbers)


# --- any arguments ------------------------------------------------------------------------------

@st.composite
def problems(draw):
    """Shapes of operands and the parameters of a convolution of them, in the order of `conv_reference.conv`."""
    rank = draw(st.sampled_from((0, 1, 1, 2, 2, 2, 3)))
    small, ints = st.integers(1, 3), lambda low, high: [draw(st.integers(low, high)) for _ in range(rank)]
    groups = draw(small)
    feature_groups, batch_groups = draw(st.sampled_from([(1, 1), (groups, 1), (1, groups)]))
    n, c, o = draw(st.integers(0, 3)), draw(small), draw(small)
    sizes, window = ints(0, 6), ints(1, draw(st.sampled_from((2, 3, 6))))
    strides, lhs_dilation, rhs_dilation = [tuple(ints(1, draw(st.sampled_from((1, 3))))) for _ in range(3)]
    pads = []
    for size, d, low, high in zip(sizes, lhs_dilation, ints(-3, 4), ints(-3, 4)):
        room = max((size - 1) * d + 1, 0) + low + high
        pads.append((low, high) if room >= 0 else (low, high - room))
    numbers = cn.ConvDimensionNumbers(*[tuple(draw(st.permutations(range(rank + 2)))) for _ in range(3)])
    lhs, rhs = (n * batch_groups, c * feature_groups, *sizes), (o * groups if max(feature_groups, batch_groups) > 1 else o, c, *window)
    return (cn.placed_by(lhs, numbers.lhs_spec), cn.placed_by(rhs, numbers.rhs_spec), strides, pads, lhs_dilation, rhs_dilation,
            numbers, feature_groups, batch_groups)


def check_problems(found):
    operands = [(draw(shape, seed=1), draw(kernel, seed=2)) for shape, kernel, *_ in found]
    f = compiled(lambda operands: [cf.conv_general_dilated(x, w, *params) for (x, w), (_, _, *params) in zip(operands, found)])
    with x64():
        outs = f(operands)
    for (x, w), (_, _, *params), out in zip(operands, found, outs):
        wanted = conv(x, w, *params)
        assert out.shape == wanted.shape, params
        np.testing.assert_allclose(out, wanted, rtol=1e-10, atol=1e-10, err_msg=str((x.shape, w.shape, params)))


@given(st.lists(problems(), min_size=6, max_size=6))
@settings(max_examples=8)
def test_any_arguments(found):
    check_problems(found)


@given(st.lists(problems(), min_size=6, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=8)
def test_all_forms_agree(found, random):
    """Every form of the CPU, where it could be used and not only where it is."""
    def any_form(g):
        depthwise = [cl.by_shifted_products] if g.kernel_features == 1 and g.batch_groups == 1 and g.rank else []
        rows = [cl.by_row_products] if g.batch_groups == g.batch and g.feature_groups == 1 and g.rank else []
        forms = [*depthwise * 2, *rows * 2, *[cl.by_groups] * (g.groups > 1), *[cl.by_depth] * (g.rank > 2), cl.by_batched_products]
        return random.choice([cl.by_phases] if any(d > 1 for d in g.lhs_dilation) else forms)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cl, "_choose", any_form)
        patch.setattr(cl, "_TOGETHER_LIMIT", random.choice((1, 16)))
        check_problems(found)


def test_integers_are_exact_and_wrap_around():
    x, w = np.array([[[100, 100, 27, -128]]], np.int8), np.array([[[2, 1]]], np.int8)
    np.testing.assert_array_equal(lax.conv(x, w, (1,), "VALID"), np.array([[[300, 227, -74]]]).astype(np.int8))
    np.testing.assert_array_equal(lax.conv(x, w, (1,), "VALID", preferred_element_type=np.int32), [[[300, 227, -74]]])


@pytest.mark.parametrize("kind", ["bool", "uint4", "float8_e4m3fn", "bfloat16", "float16", "uint32"])
def test_dtypes(kind):
    x = np.ones((1, 2, 4), getattr(ml_dtypes, kind, None) or kind)
    out = lax.conv(x, x[:, :, :2], (1,), "VALID")
    assert out.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(out, float), np.full((1, 1, 3), 1 if kind == "bool" else 4))


def test_padding_by_name():
    x, w = draw((2, 1, 7, 6), seed=1), draw((1, 1, 4, 3), seed=2)
    for strides in ((1, 1), (2, 3)):
        for name, upper in (("SAME", True), ("same_lower", False)):
            for dilation, windows in ((None, (4, 3)), ((2, 1), (7, 3))):
                (eqn,) = ferax.make_jaxpr(lambda x, w: cf.conv_general_dilated(x, w, strides, name, None, dilation))(x, w).eqns
                assert eqn.params["padding"] == tuple(same_pads((7, 6), windows, strides, upper))
    with x64():
        np.testing.assert_allclose(cf.conv(x, w, (1, 2), "valid"), conv(x, w, (1, 2), [(0, 0)] * 2), atol=1e-12)
        found = cf.conv_with_general_padding(x, w, (1, 2), [(1, 0), (2, -1)], (2, 1), (1, 2))
        np.testing.assert_allclose(found, conv(x, w, (1, 2), [(1, 0), (2, -1)], (2, 1), (1, 2)), atol=1e-12)


def test_dimension_numbers_of_any_form():
    shapes = (2, 5, 6, 3), (2, 4, 3, 7)
    wanted = cn.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    for given_as in (NHWC, list(NHWC), tuple(wanted), [list(spec) for spec in wanted], wanted):
        assert lax.conv_dimension_numbers(*shapes, given_as) == wanted
        assert lax.conv_general_dilated(np.ones(shapes[0]), np.ones(shapes[1]), (1, 1), "SAME", dimension_numbers=given_as).shape \
            == (2, 5, 6, 7)
    assert lax.conv_dimension_numbers(*shapes, None) == cn.ConvDimensionNumbers(*[(0, 1, 2, 3)] * 3)
    assert lax.conv_general_permutations(("NHWC", "WIHO", "WNCH")) == ((0, 3, 2, 1), (3, 1, 0, 2), (1, 2, 0, 3))


def test_shape_functions():
    assert lax.conv_shape_tuple((2, 3, 5, 6), (4, 3, 2, 2), (1, 2), "SAME") == (2, 4, 5, 3)
    assert lax.conv_shape_tuple((4, 3, 5, 6), (4, 3, 2, 2), (1, 2), [(0, 0), (1, 2)], 2) == (2, 4, 4, 4)
    assert lax.conv_shape_tuple((3, 3, 5), (4, 3, 9), (1,), "VALID") == (3, 4, 0)
    assert lax.conv_general_shape_tuple((2, 5, 6, 3), (2, 2, 3, 4), (1, 2), "SAME", ("NHWC", "HWIO", "NCHW")) == (2, 4, 5, 3)
    for padding in ("SAME", "VALID", [(1, 1), (2, 0)]):
        f = lambda x, w: lax.conv_transpose(x, w, (1, 2), padding)
        shape = ferax.eval_shape(f, np.ones((2, 5, 6, 3)), np.ones((2, 2, 3, 4))).shape
        assert lax.conv_transpose_shape_tuple((2, 5, 6, 3), (2, 2, 3, 4), (1, 2), padding, NHWC) == shape
    assert lax.padtype_to_pads((5, 6), (3, 2), (1, 2), "SAME") == [(1, 1), (0, 0)]


def test_more_mapped_axes_and_none():
    with x64():
        x, w = draw((2, 3, 4, 2, 4), seed=1), draw((3, 2, 4, 2, 3), seed=2)
        both = ferax.vmap(ferax.vmap(lambda x, w: cf.conv(x, w, (1,), "SAME")), (0, 1))(x, w)
        wanted = [[conv(x[i, j], w[j, i], (1,), [(1, 1)]) for j in range(3)] for i in range(2)]
        np.testing.assert_allclose(both, wanted, atol=1e-12)
    for axes in ((0, 0), (0, None)):
        w = np.ones((0, 3, 2, 2) if axes[1] == 0 else (3, 2, 2))
        out = ferax.vmap(lambda x, w: cf.conv(x, w, (1,), "SAME"), axes)(np.ones((0, 4, 2, 6)), w)
        assert out.shape == (0, 4, 3, 6)


# --- the CPU's forms ----------------------------------------------------------------------------

FORMS = {                                       # shapes, dimension numbers, strides, padding, lhs and rhs dilation, groups
    "depthwise": (cl.by_shifted_products, (2, 9, 8, 3), (3, 3, 1, 3), NHWC, (1, 1), [(1, 1)] * 2, (1, 1), (1, 1), (3, 1)),
    "depthwise, NCHW": (cl.by_shifted_products, (2, 3, 9, 8), (3, 1, 3, 2), None, (2, 1), [(1, 1)] * 2, (1, 1), (1, 2), (3, 1)),
    "multiplied": (cl.by_shifted_products, (2, 9, 8, 3), (3, 3, 1, 6), NHWC, (1, 2), [(1, 1)] * 2, (1, 1), (1, 1), (3, 1)),
    "1 channel": (cl.by_shifted_products, (2, 1, 20, 17), (1, 1, 7, 5), None, (1, 1), [(3, 3)] * 2, (1, 1), (1, 1), (1, 1)),
    "depthwise kernel": (cl.by_row_products, (4, 9, 8, 3), (4, 8, 7, 3), ("CHWN", "IHWO", "HWNC"), (1, 1), [(0, 1)] * 2, (1, 1),
                         (1, 1), (1, 3)),
    "1 channel's kernel": (cl.by_row_products, (1, 2, 12, 11), (1, 2, 8, 8), None, (1, 1), [(0, 1)] * 2, (1, 1), (1, 1), (1, 1)),
    "groups": (cl.by_groups, (2, 6, 6, 4), (3, 3, 2, 6), NHWC, (1, 2), [(1, 1)] * 2, (1, 1), (1, 1), (2, 1)),
    "grouped kernels": (cl.by_groups, (6, 2, 7), (4, 2, 5), None, (1,), [(1, 1)], (1,), (1,), (1, 2)),
    "many groups": (cl.by_batched_products, (2, 34, 7), (34, 2, 3), None, (1,), [(1, 1)], (1,), (2,), (17, 1)),
    "kernels of many": (cl.by_batched_products, (3, 17, 7), (34, 1, 6), None, (1,), [(1, 1)], (1,), (1,), (17, 1)),
    "transposed": (cl.by_phases, (2, 5, 4, 3), (3, 4, 3, 2), NHWC, (1, 1), [(2, 1), (3, 2)], (2, 3), (1, 1), (1, 1)),
    "3d": (cl.by_depth, (1, 4, 5, 4, 2), (3, 2, 3, 2, 3), ("NDHWC", "DHWIO", "NDHWC"), (1, 1, 1), [(1, 1)] * 3, (1, 1, 1),
           (1, 1, 1), (1, 1)),
    "3d kernels": (cl.by_depth, (2, 2, 4, 5, 4), (3, 2, 4, 5, 3), None, (1, 1, 2), [(1, 1)] * 3, (1, 1, 1), (1, 1, 1), (1, 1)),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name, monkeypatch):
    """That a form is the one chosen, and as exact as the plain one; 16 bits are rounded once."""
    form, lhs, rhs, spec, strides, pads, lhs_dilation, rhs_dilation, groups = FORMS[name]
    monkeypatch.setattr(cl, "_LEAST_WORK", 0)
    monkeypatch.setattr(cl, "_LEAST_ROW", 0)
    x, w = draw(lhs, seed=1).astype(np.float32), draw(rhs, seed=2).astype(np.float32)
    numbers = numbers_of(x, w, spec)
    params = {"window_strides": strides, "padding": tuple(pads), "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation,
              "dimension_numbers": numbers, "feature_group_count": groups[0], "batch_group_count": groups[1], "precision": None,
              "preferred_element_type": None, "out_sharding": None}
    avals = [ShapedArray(v.shape, v.dtype) for v in (x, w)]
    geometry = cl.Geometry(conv_general_dilated_p, *avals, *conv_general_dilated_p.abstract_eval(*avals, **params), **params)
    assert cl._choose(geometry) is form

    half = [v.astype(ml_dtypes.bfloat16) for v in (x, w)]
    def both(x, w, *half):
        return [conv_general_dilated_p.bind(*operands, **params)[0] for operands in ((x, w), half)]
    tuned = compiled(both)(x, w, *half)
    with config.cpu_lowerings("plain"):
        plain = compiled(both)(x, w, *half)
    for operands, a, b, digits in (((x, w), tuned[0], plain[0], 3e-7), (half, tuned[1], plain[1], 4e-3)):
        wanted = conv(*[v.astype(np.float64) for v in operands], strides, pads, lhs_dilation, rhs_dilation, numbers, *groups)
        for found in (a, b):
            np.testing.assert_allclose(np.asarray(found, np.float64), wanted, rtol=digits, atol=2 * digits * np.abs(wanted).max())


def test_a_nan_is_seen_by_its_windows_only(monkeypatch):
    monkeypatch.setattr(cl, "_LEAST_WORK", 0)
    x = np.zeros((1, 2, 9, 9), np.float32)
    x[0, 1, 4, 5] = np.nan
    found = np.asarray(cf.conv_general_dilated(x, np.ones((2, 1, 3, 3), np.float32), (1, 1), "SAME", feature_group_count=2))
    wanted = np.zeros(x.shape, bool)
    wanted[0, 1, 3:6, 4:7] = True
    np.testing.assert_array_equal(np.isnan(found), wanted)


def test_what_is_noted_for_the_compiler():
    def noted(f, *operands):
        return ferax.jit(f).lower(*operands)._lowered.contractions
    x, w = np.ones((8, 12, 12, 6), np.float32), np.ones((3, 3, 6, 6), np.float32)
    f = lambda x, w: cf.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)
    assert noted(f, x, w) == {"small_conv"}
    assert noted(ferax.grad(lambda w, x: f(x, w).sum()), w, x) == {"conv"}     # its kernel is larger than its result
    depthwise = lambda x, w: cf.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC, feature_group_count=6)
    assert noted(depthwise, x, w[:, :, :1]) == frozenset()


# --- functions built on it ----------------------------------------------------------------------

@pytest.mark.parametrize(("sizes", "strides", "window", "dilation"),
                         [((6,), (2,), (3,), (1,)), ((6, 6), (2, 3), (2, 5), (1, 1)), ((5, 6), (1, 3), (2, 2), (2, 1))])
def test_conv_transpose_is_the_transpose(sizes, strides, window, dilation):
    """With the kernel transposed it is what the gradient does, for arrays that the strides divide."""
    numbers = ("NHC", "HIO", "NHC") if len(sizes) == 1 else NHWC
    k = draw((*window, 3, 2), seed=2)
    for padding in ("SAME", "VALID", [(1, 0), (0, 2)][:len(sizes)]):
        f = lambda x: cf.conv_general_dilated(x, k, strides, padding, None, dilation, numbers)

        def both(x, ct):
            return cf.conv_transpose(ct, k, strides, padding, dilation, numbers, transpose_kernel=True,
                                     use_consistent_padding=True), ferax.vjp(f, x)[1](ct)[0]
        with x64():
            x = np.zeros((2, *sizes, 3))
            found, wanted = map(np.asarray, compiled(both)(x, draw(ferax.eval_shape(f, x).shape, seed=3)))
        common = tuple([slice(min(a, b)) for a, b in zip(found.shape, wanted.shape)])   # elements no window sees may be left out
        np.testing.assert_allclose(found[common], wanted[common], atol=1e-12)
        assert np.count_nonzero(wanted) == np.count_nonzero(wanted[common])


def test_conv_transpose_padding():
    """Padding of pairs is that of the dilated array, or of the convolution that is transposed; numbers recorded from JAX."""
    x, w = draw((1, 4, 5, 3), seed=1), draw((3, 2, 3, 6), seed=2)
    recorded = (({"padding": "SAME"}, [(2, 1), (1, 2)]), ({"padding": "VALID"}, [(2, 2), (1, 2)]),
                ({"padding": [(1, 1), (0, 1)]}, [(1, 1), (0, 1)]),
                ({"padding": ((1, 1), (0, 1)), "use_consistent_padding": True}, [(1, 1), (1, 0)]),
                ({"padding": "SAME", "rhs_dilation": (2, 1)}, [(3, 2), (1, 2)]))
    for options, pads in recorded:
        (eqn,) = ferax.make_jaxpr(lambda x, w: cf.conv_transpose(x, w, (2, 3), **options))(x, w).eqns
        assert eqn.params["padding"] == tuple(pads) and eqn.params["lhs_dilation"] == (2, 3)
    with x64():
        found = cf.conv_transpose(x, w, (2, 3), "SAME", (2, 1))
    np.testing.assert_allclose(found, conv(x, w, (1, 1), [(3, 2), (1, 2)], (2, 3), (2, 1), numbers_of(x, w, NHWC)), atol=1e-12)
    assert [ferax.eval_shape(lambda x, w: lax.conv_transpose(x, w, (2,) * (x.ndim - 2), "SAME"), np.ones((2, *[3] * n, 2)),
                             np.ones((*[2] * n, 2, 4))).shape for n in (0, 1, 3)] == [(2, 4), (2, 6, 4), (2, 6, 6, 6, 4)]


PATCHES = [((2, 3, 5, 6), (2, 3), None, (1, 2), [(1, 0), (-1, 2)], (2, 1), (1, 2)),
           ((5, 2, 4, 3), (2, 2), ("HNWC", "IWHO", "CWHN"), (1, 1), "SAME", None, None),
           ((2, 3, 4), (3,), None, (1,), "VALID", None, None), ((2, 3), (), None, (), [], None, None),
           ((2, 3, 4), (7,), None, (1,), "VALID", None, None), ((0, 3, 4), (2,), None, (1,), "VALID", None, None)]


@pytest.mark.parametrize(("shape", "window", "spec", "strides", "padding", "lhs_dilation", "rhs_dilation"), PATCHES)
def test_patches_and_local(shape, window, spec, strides, padding, lhs_dilation, rhs_dilation):
    n = len(window)
    x = draw(shape, seed=1)
    numbers = numbers_of(x, np.ones((1, 1, *window)), spec)
    seen = dilate(x.transpose(numbers.lhs_spec), lhs_dilation or (1,) * n)
    pads = same_pads(seen.shape[2:], window, strides) if padding == "SAME" else [(0, 0)] * n if padding == "VALID" else padding
    seen = pad(seen, pads)
    steps = [slice(None, None, d) for d in rhs_dilation or (1,) * n]
    spans = [(k - 1) * d + 1 for k, d in zip(window, rhs_dilation or (1,) * n)]
    count = [max((size - k) // s + 1, 0) for size, k, s in zip(seen.shape[2:], spans, strides)]
    wanted = np.zeros((*seen.shape[:2], *window, *count))
    for place in np.ndindex(*count):
        at = tuple([slice(p * s, p * s + k) for p, s, k in zip(place, strides, spans)])
        wanted[(..., *place)] = seen[(slice(None), slice(None), *at)][(..., *steps)]
    wanted = wanted.reshape(len(seen), seen.shape[1] * int(np.prod(window)), *count)
    with x64():
        given_as = (window, strides, padding, lhs_dilation, rhs_dilation, spec)
        np.testing.assert_array_equal(cf.conv_general_dilated_patches(x, *given_as), wanted.transpose(np.argsort(numbers.out_spec)))
        w = draw((4, wanted.shape[1], *count), seed=2)
        local = cf.conv_general_dilated_local(x, w.transpose(np.argsort(numbers.rhs_spec)), strides, padding, window, lhs_dilation,
                                              rhs_dilation, spec)
    local_wanted = np.einsum("nc...,oc...->no...", wanted, w)
    np.testing.assert_allclose(local, local_wanted.transpose(np.argsort(numbers.out_spec)), atol=1e-12)


def test_patches_keep_what_is_not_finite_apart():
    found = lax.conv_general_dilated_patches(np.array([[[1, np.inf, np.nan, 2]]], np.float32), (2,), (1,), "VALID")
    np.testing.assert_array_equal(found, np.array([[[1, np.inf, np.nan], [np.inf, np.nan, 2]]]))
    half = lax.conv_general_dilated_patches(np.ones((1, 1, 3), ml_dtypes.bfloat16), (2,), (1,), "SAME", preferred_element_type=np.float32)
    assert half.dtype == np.float32


# --- bad input ----------------------------------------------------------------------------------

X, W = np.ones((1, 2, 4, 4), np.float32), np.ones((4, 2, 2, 2), np.float32)
REFUSED = {
    "ranks": (TypeError, "same number of dimensions", {"rhs": W[0]}),
    "too few dimensions": (ValueError, "at least two dimensions", {"lhs": X[0, 0, 0], "rhs": W[0, 0, 0], "window_strides": ()}),
    "a list": (TypeError, "position 0 is of type list", {"lhs": [[1.0]]}),
    "dtypes": (TypeError, "float32, int32", {"rhs": W.astype(np.int32)}),
    "features": (ValueError, "3 features, dimension 1 of lhs.*1 times 2 input features", {"lhs": np.ones((1, 3, 4, 4), np.float32)}),
    "feature groups": (ValueError, "feature_group_count must divide.*3 for 4", {"feature_group_count": 3}),
    "batch groups": (ValueError, "batch_group_count must divide the examples.*2 for 1", {"batch_group_count": 2}),
    "groups of output": (ValueError, "batch_group_count must divide the output features.*3 for 4", {"batch_group_count": 3}),
    "both groups": (ValueError, "only one of", {"lhs": np.ones((2, 4, 4, 4), np.float32), "feature_group_count": 2,
                                                "batch_group_count": 2}),
    "no groups": (ValueError, "feature_group_count must be positive, got 0", {"feature_group_count": 0}),
    "strides": (ValueError, "window_strides must have an entry for each of the 2", {"window_strides": (1,)}),
    "strides, in numbers": (ValueError, "window_strides must have an entry", {"window_strides": (1,), "padding": [(0, 0)] * 2}),
    "stride 0": (ValueError, "window_strides must be positive", {"window_strides": (0, 1)}),
    "no sequence": (TypeError, "window_strides must be a sequence", {"window_strides": 1}),
    "dilation": (TypeError, "dilations must be positive", {"rhs_dilation": (0, 1)}),
    "dilations": (ValueError, "lhs_dilation must have an entry", {"lhs_dilation": (1,), "padding": [(0, 0)] * 2}),
    "dilation and name": (ValueError, "padding must be given in numbers", {"lhs_dilation": (2, 1)}),
    "padding": (RuntimeError, "'SAME' or 'SAME_LOWER', got 'BAD'", {"padding": "BAD"}),
    "pairs": (ValueError, "pair of integers", {"padding": [1, 1]}),
    "number of pairs": (TypeError, "each of its 2 spatial dimensions, got 1", {"padding": [(1, 1)]}),
    "too negative": (ValueError, "takes away more than there is", {"padding": [(-3, -3), (0, 0)]}),
    "empty kernel": (ValueError, "spatial sizes of rhs must be positive", {"rhs": W[:, :, :0]}),
    "two specs": (TypeError, "must be three", {"dimension_numbers": ("NHWC", "HWIO")}),
    "length of spec": (TypeError, r"dimension_numbers\[2\].*'NHW'", {"dimension_numbers": ("NHWC", "HWIO", "NHW")}),
    "letters": (TypeError, r"dimension_numbers\[1\].*letters O and I", {"dimension_numbers": ("NHWC", "HWIX", "NHWC")}),
    "spatial letters": (TypeError, "same spatial letters", {"dimension_numbers": ("NHWC", "HWIO", "NHXC")}),
    "letters twice": (TypeError, "each letter once", {"dimension_numbers": ("NHHC", "HHIO", "NHHC")}),
    "mixed specs": (TypeError, "three strings", {"dimension_numbers": ("NHWC", "HWIO", (0, 1, 2, 3))}),
    "a name": (TypeError, "ConvDimensionNumbers or a tuple", {"dimension_numbers": "NHWC"}),
    "no permutation": (ValueError, "lhs_spec.*each of the 4 dimensions once",
                       {"dimension_numbers": ((0, 1, 2, 2), (0, 1, 2, 3), (0, 1, 2, 3))}),
    "precision": (ValueError, "precision must be", {"precision": "great"}),
    "narrower": (TypeError, "narrower", {"preferred_element_type": np.float16}),
    "kind": (TypeError, "operands' kind", {"preferred_element_type": np.int32}),
    "sign": (TypeError, "signed as they are", {"lhs": X.astype(np.int8), "rhs": W.astype(np.int8), "preferred_element_type": np.uint32}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    error, text, given_as = REFUSED[name]
    with pytest.raises(error, match=text):
        lax.conv_general_dilated(**{"lhs": X, "rhs": W, **PLAIN, **given_as})


def test_refusals_of_other_functions():
    x, w = np.ones((1, 4, 4, 2), np.float32), np.ones((2, 2, 2, 3), np.float32)
    for error, text, call in (
            (TypeError, "strides must have an entry for each of the 2", lambda: lax.conv_transpose(x, w, (2,), "SAME")),
            (TypeError, "padding must have a pair", lambda: lax.conv_transpose(x, w, (2, 2), [(1, 1)], use_consistent_padding=True)),
            (TypeError, "same number of dimensions", lambda: lax.conv_transpose(x, w[0], (2, 2), "SAME")),
            (ValueError, "conv_transpose: padding must be", lambda: lax.conv_transpose(x, w, (2, 2), "BAD", use_consistent_padding=True)),
            (ValueError, "padding must be given in numbers", lambda: lax.conv_transpose(x, w, (2, 2), "same")),
            (ValueError, "other than 2 to 5", lambda: lax.conv_transpose(np.ones((1,) * 6), np.ones((1,) * 6), (1,) * 4, "SAME")),
            (TypeError, "filter_shape must have an entry", lambda: lax.conv_general_dilated_patches(x, (2,), (1, 1), "SAME")),
            (TypeError, "must be 'VALID', 'SAME'", lambda: lax.padtype_to_pads((4,), (2,), (1,), [(0, 0)])),
            (RuntimeError, "got 'x'", lambda: lax.padtype_to_pads((4,), (2,), (1,), "x")),
            (ValueError, "as many window sizes", lambda: lax.padtype_to_pads((4, 4), (2,), (1, 1), "SAME")),
            (ValueError, "must divide the number of examples", lambda: lax.conv_shape_tuple((3, 1), (2, 1), (), [], 2)),
            (TypeError, r"a kernel for each window.*\(output features, 8, 4, 4\)",
             lambda: lax.conv_general_dilated_local(np.ones((1, 2, 4, 4)), np.ones((3, 8, 4, 3)), (1, 1), "SAME", (2, 2))),
            (ValueError, "conv_general_dilated_local: precision", lambda: lax.conv_general_dilated_local(
                x, w, (1, 1), "SAME", (2, 2), precision=lax.DotAlgorithmPreset.F32_F32_F32))):
        with pytest.raises(error, match=text):
            call()
