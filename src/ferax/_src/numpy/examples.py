"""An example for the docstring of each function that `rows` makes: the call, and what `print` shows of the result."""

_TABLE = """
add(jnp.array([1, 2]), 0.5)                         [1.5 2.5]
subtract(5, jnp.arange(3))                          [5 4 3]
multiply(jnp.array([1, 2]), 3)                      [3 6]
negative(jnp.array([1.0, -2.0]))                    [-1.  2.]
maximum(jnp.array([1, 5, 3]), 2)                    [2 5 3]
minimum(jnp.array([1, 5, 3]), 2)                    [1 2 2]
fmax(jnp.nan, 2.0)                                  2.0
fmin(jnp.nan, 2.0)                                  2.0
sign(jnp.array([-3.0, 0.0, 2.0]))                   [-1.  0.  1.]
positive(jnp.array([1, -2]))                        [ 1 -2]
absolute(jnp.array([-3, 4]))                        [3 4]
square(jnp.array([1, -3]))                          [1 9]
fabs(jnp.array([-3, 4]))                            [3. 4.]
heaviside(jnp.array([-1.0, 0.0, 2.0]), 0.5)         [0.  0.5 1. ]
bitwise_and(6, 3)                                   2
bitwise_or(6, 3)                                    7
bitwise_xor(6, 3)                                   5
invert(jnp.array([0, 5]))                           [-1 -6]
left_shift(3, jnp.arange(3))                        [ 3  6 12]
right_shift(jnp.array([8, -8]), 2)                  [ 2 -2]
bitwise_count(jnp.array([0, 7, -8]))                [0 3 1]
equal(jnp.array([1, 2]), jnp.array([1, 3]))         [ True False]
not_equal(jnp.array([1, 2]), jnp.array([1, 3]))     [False  True]
less(jnp.arange(3), 1)                              [ True False False]
less_equal(jnp.arange(3), 1)                        [ True  True False]
greater(jnp.arange(3), 1)                           [False False  True]
greater_equal(jnp.arange(3), 1)                     [False  True  True]
logical_and(jnp.array([0, 2]), True)                [False  True]
logical_or(jnp.array([0, 2]), False)                [False  True]
logical_xor(jnp.array([0, 2]), True)                [ True False]
logical_not(jnp.array([0, 2]))                      [ True False]
conjugate(1 + 2j)                                   (1-2j)
true_divide(7, jnp.array([2, 4]))                   [3.5  1.75]
floor_divide(jnp.array([7, -7]), 2)                 [ 3 -4]
remainder(jnp.array([7, -7]), 3)                    [1 2]
fmod(jnp.array([7, -7]), 3)                         [ 1 -1]
divmod(7, 3)[1]                                     1
gcd(12, jnp.array([18, 5]))                         [6 1]
lcm(4, jnp.array([6, 5]))                           [12 20]
exp(jnp.array([0.0, 1.0]))                          [1.        2.7182817]
exp2(jnp.array([0.0, 3.0]))                         [1. 8.]
expm1(0.0)                                          0.0
log(jnp.array([1.0, jnp.e]))                        [0. 1.]
log1p(0.0)                                          0.0
log2(jnp.array([1, 8]))                             [0. 3.]
log10(jnp.array([1.0, 100.0]))                      [0. 2.]
logaddexp(0.0, 0.0)                                 0.6931472
logaddexp2(3.0, 3.0)                                4.0
isfinite(jnp.array([1.0, jnp.inf, jnp.nan]))        [ True False False]
isnan(jnp.array([1.0, jnp.inf, jnp.nan]))           [False False  True]
isinf(jnp.array([1.0, jnp.inf, jnp.nan]))           [False  True False]
signbit(jnp.array([1.0, -0.0]))                     [False  True]
nextafter(1.0, 2.0) - 1                             1.1920929e-07
copysign(jnp.array([1.0, -2.0]), -0.0)              [-1. -2.]
spacing(1.0)                                        1.1920929e-07
sqrt(jnp.array([4.0, 2.0]))                         [2.        1.4142135]
cbrt(-8.0)                                          -2.0
reciprocal(jnp.array([2, 4]))                       [0.5  0.25]
float_power(jnp.array([2, 3]), 2)                   [4. 9.]
hypot(3.0, 4.0)                                     5.0
floor(jnp.array([1.5, -1.5]))                       [ 1. -2.]
ceil(jnp.array([1.5, -1.5]))                        [ 2. -1.]
rint(jnp.array([0.5, 1.5, 2.4]))                    [0. 2. 2.]
sin(0.0)                                            0.0
cos(0.0)                                            1.0
tan(0.0)                                            0.0
sinh(0.0)                                           0.0
cosh(0.0)                                           1.0
tanh(0.0)                                           0.0
arcsin(jnp.array([0.0, 2.0]))                       [ 0. nan]
arccos(1.0)                                         0.0
arctan(0.0)                                         0.0
arcsinh(0.0)                                        0.0
arccosh(jnp.array([1.0, 0.5]))                      [ 0. nan]
arctanh(0.0)                                        0.0
arctan2(jnp.array([0.0, 1.0]), 0.0)                 [0.        1.5707964]
deg2rad(180.0)                                      3.1415927
rad2deg(jnp.pi)                                     180.0
sinc(0.0)                                           1.0
"""

#: Name of the function -> the lines of its example.
EXAMPLES = {line.partition("(")[0]: tuple(map(str.strip, line.split("   ", 1))) for line in _TABLE.strip().split("\n")}
