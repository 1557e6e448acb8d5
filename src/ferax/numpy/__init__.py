"""``ferax.numpy``: the array API. Each name is loaded when it is first asked for; its module is listed here."""

import ferax._src.numpy.array_methods  # hangs the operators and methods on arrays
from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.arithmetic": (
            "abs absolute fabs fmax fmin heaviside positive sign square"),
        "ferax._src.numpy.array_api": "__array_api_version__ __array_namespace_info__",
        "ferax._src.numpy.bitwise": (
            "bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_right_shift invert left_shift right_shift"),
        "ferax._src.numpy.comparison": (
            "allclose array_equal array_equiv equal greater greater_equal isclose less less_equal logical_not not_equal"),
        "ferax._src.numpy.complexes": (
            "angle conj conjugate imag iscomplex iscomplexobj isreal isrealobj real"),
        "ferax._src.numpy.concatenators": "c_ r_",
        "ferax._src.numpy.convolutions": "convolve correlate",
        "ferax._src.numpy.covariance": "corrcoef cov",
        "ferax._src.numpy.creation": (
            "array asarray copy from_dlpack frombuffer fromfile fromiter fromstring"),
        "ferax._src.numpy.cumulative": "cumprod cumsum cumulative_prod cumulative_sum nancumprod nancumsum",
        "ferax._src.numpy.differences": "diff ediff1d gradient interp trapezoid",
        "ferax._src.numpy.division": (
            "divide divmod floor_divide fmod gcd lcm mod remainder true_divide"),
        "ferax._src.numpy.dtype_functions": (
            "can_cast finfo iinfo isdtype isscalar issubdtype iterable promote_types result_type"),
        "ferax._src.numpy.editing": "apply_along_axis apply_over_axes delete insert trim_zeros",
        "ferax._src.numpy.einsum": "einsum einsum_path",
        "ferax._src.numpy.exponential": "exp exp2 expm1 log log10 log1p log2",
        "ferax._src.numpy.extrema": "argmax argmin nanargmax nanargmin",
        "ferax._src.numpy.files": "load save savez",
        "ferax._src.numpy.fills": "empty empty_like full full_like ones ones_like zeros zeros_like",
        "ferax._src.numpy.finding": "argwhere flatnonzero nonzero ravel_multi_index unravel_index",
        "ferax._src.numpy.floating": (
            "copysign frexp isfinite isinf isnan isneginf isposinf ldexp modf nan_to_num nextafter signbit spacing"),
        "ferax._src.numpy.histograms": (
            "bincount digitize histogram histogram2d histogram_bin_edges histogramdd searchsorted"),
        "ferax._src.numpy.joining": (
            "append array_split block column_stack concat concatenate dsplit dstack hsplit hstack repeat "
            "split stack tile unstack vsplit vstack"),
        "ferax._src.numpy.manipulation": (
            "astype atleast_1d atleast_2d atleast_3d broadcast_arrays broadcast_shapes broadcast_to "
            "expand_dims flip fliplr flipud matrix_transpose moveaxis ndim permute_dims ravel reshape "
            "resize roll rollaxis rot90 shape size squeeze swapaxes transpose"),
        "ferax._src.numpy.matrices": (
            "diag diag_indices diag_indices_from diagflat diagonal eye fill_diagonal identity mask_indices tri tril "
            "tril_indices tril_indices_from triu triu_indices triu_indices_from"),
        "ferax._src.numpy.moments": "average std var",
        "ferax._src.numpy.nan_reductions": "nanmax nanmean nanmin nanprod nanstd nansum nanvar",
        "ferax._src.numpy.packing": "packbits unpackbits",
        "ferax._src.numpy.padding": "pad",
        "ferax._src.numpy.polynomial_roots": "poly polydiv polyfit polymul roots",
        "ferax._src.numpy.polynomials": "polyadd polyder polyint polysub polyval vander",
        "ferax._src.numpy.powers": "cbrt float_power hypot pow power reciprocal sqrt",
        "ferax._src.numpy.products": (
            "cross dot inner kron matmul matvec outer tensordot trace vdot vecdot vecmat"),
        "ferax._src.numpy.quantiles": "median nanmedian nanpercentile nanquantile percentile quantile",
        "ferax._src.numpy.ranges": (
            "arange fromfunction geomspace index_exp indices ix_ linspace logspace meshgrid mgrid ogrid s_"),
        "ferax._src.numpy.reductions": (
            "all amax amin any count_nonzero max mean min minmax prod ptp sum"),
        "ferax._src.numpy.rounding": "around ceil floor rint round trunc",
        "ferax._src.numpy.scalar_types": (
            "bfloat16 bool bool_ int1 int2 int4 int8 int16 int32 int64 uint1 uint2 uint4 uint8 uint16 uint32 uint64 "
            "float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn "
            "float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float16 float32 float64 complex64 complex128 "
            "int_ uint float_ complex_ single double csingle cdouble generic number integer signedinteger "
            "unsignedinteger inexact floating complexfloating flexible character object_ dtype ComplexWarning "
            "pi e inf nan euler_gamma newaxis"),
        "ferax._src.numpy.selection": "piecewise select where",
        "ferax._src.numpy.set_operations": "intersect1d setdiff1d setxor1d",
        "ferax._src.numpy.sets": "isin union1d unique unique_all unique_counts unique_inverse unique_values",
        "ferax._src.numpy.sorting": "argpartition argsort lexsort partition sort sort_complex top_k",
        "ferax._src.numpy.special": "clip i0",
        "ferax._src.numpy.taking": (
            "choose compress extract place put put_along_axis take take_along_axis"),
        "ferax._src.numpy.text": "array_repr array_str get_printoptions printoptions set_printoptions",
        "ferax._src.numpy.trigonometric": (
            "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh "
            "deg2rad degrees rad2deg radians sin sinc sinh tan tanh"),
        "ferax._src.numpy.ufuncs": (
            "add bitwise_and bitwise_or bitwise_xor frompyfunc logaddexp logaddexp2 logical_and logical_or logical_xor "
            "maximum minimum multiply negative subtract ufunc"),
        "ferax._src.numpy.unwrapping": "unwrap",
        "ferax._src.numpy.vectorizing": "vectorize",
        "ferax._src.numpy.windows": "bartlett blackman hamming hanning kaiser",
        "ferax._src.tracing.core": "ndarray=Array",
    },
    submodules="fft linalg",
)
