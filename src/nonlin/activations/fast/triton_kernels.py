"""The activations for a graphics processor, in Triton: each is one short function; four kernels go through memory.

A function gives, of a number x and of its parameters a and b, the value, the slope if x is the input, and the slope if
x is the output, where that follows. What a kernel does not ask for is not computed. Formulas, and what becomes of NaN
and infinities, are those of ``kernels.cpp``; float16 and bfloat16 are computed with in float32, and rounded once.

Imported by ``gpu.py`` alone, since Triton is not everywhere. It agrees with the textbook forms on a card, and in
Triton's interpreter, which computes with NumPy. A constant in ``tl.fma`` has 32 bits, whatever the rest has: where
float64 comes by, it must be a plain product and sum.
"""

import triton
import triton.language as tl
from triton.runtime import JITFunction

from nonlin.activations.exponential import SELU_ALPHA, SELU_SCALE
from nonlin.activations.smooth import GELU_TANH_SCALE

SCALE, PRODUCT = tl.constexpr(SELU_SCALE), tl.constexpr(SELU_SCALE * SELU_ALPHA)
LINEAR, CUBIC = tl.constexpr(GELU_TANH_SCALE), tl.constexpr(0.044715 * GELU_TANH_SCALE)
DENSITY = tl.constexpr(0.39894228040143268)  # 1 / √(2π)

# Mathematics: Triton's own exponential loses digits in float32, and expm1, log1p, tanh and erfc it has not at all.


@triton.jit
def below(x, bound):  # of NaN, NaN
    return tl.where(x > bound, bound, x)


@triton.jit
def within(x, low, high):
    return tl.where(x < low, low, below(x, high))


@triton.jit
def one_where(mask, x):
    return mask.to(x.dtype)


@triton.jit
def polynomial(x, coefficients):  # the constant comes last
    result = coefficients[0]
    for k in tl.static_range(1, len(coefficients)):
        result = tl.fma(x, result, coefficients[k])
    return result


@triton.jit
def power_of_two(n):
    return ((n + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def exponential(x):  # in float32: e^x = (1 + rest) 2^n, where 2^n comes in two factors, so that neither overflows
    x = within(x, -104.0, 128.0)
    n = tl.floor(tl.fma(x, 1.44269504, 0.5))
    r = tl.fma(n, -1.42860677e-6, tl.fma(n, -0.693145752, x))
    q = polynomial(r, (0.001390128346, 0.008363146339, 0.04166685347, 0.1666657728, 0.4999999955))
    half = n.to(tl.int32) >> 1
    return tl.fma(r * r, q, r), half, n.to(tl.int32) - half


@triton.jit
def exp(x):
    if x.dtype == tl.float64:
        return tl.exp(x)
    rest, half, other = exponential(x)
    scale = power_of_two(half)
    return tl.fma(rest, scale, scale) * power_of_two(other)


@triton.jit
def expm1(x):
    if x.dtype == tl.float64:
        e = tl.exp(x)
        near = tl.where(e == 1, x, (e - 1) * x / tl.log(e))  # the same error above and below, which goes away
        return tl.where(tl.abs(x) < 0.5, near, e - 1)
    rest, half, other = exponential(x)
    scale = power_of_two(half)
    return tl.fma(rest, scale, scale - power_of_two(-other)) * power_of_two(other)


@triton.jit
def log1p(x):  # for 0 <= x <= 1
    if x.dtype == tl.float64:
        y = 1 + x
        return tl.where(y == 1, x, x * tl.log(y) / (y - 1))
    z = x / (x + 2)  # 2 artanh(z)
    s = z * z
    rest = polynomial(s, (0.1161677833, 0.1085226686, 0.142962495, 0.1999985161, 0.3333333367))
    return 2 * tl.fma(z * s, rest, z)


@triton.jit
def hyperbolic_tangent(x):
    m = expm1(-2 * tl.abs(x))
    return tl.where(x < 0, m, -m) / (m + 2)


@triton.jit
def sigma(x):  # and its slope, in which both tails keep their digits
    e = exp(-tl.abs(x))
    inverse = 1 / (1 + e)
    return tl.where(x < 0, e, 1.0) * inverse, e * inverse * inverse


@triton.jit
def normal(x):  # in float32: e^(-x^2 / 2), to which what the square loses is given back, and Φ(x)
    # by e^(t^2) erfc(t) = w P(w) with w = 1 / (1 + 0.4 t) and t = |x| / √2
    square = x * x
    e = exp(-0.5 * square)
    bell = tl.where(square < 180, tl.fma(e * tl.fma(x, x, -square), -0.5, e), e)
    w = 1 / tl.fma(tl.abs(x), 0.282842712, 1.0)
    high = polynomial(w, (-0.02310129567, 0.1634053528, -0.4191481431, 0.4437479246, -0.2004884202))
    tail = 0.5 * bell * w * polynomial(w, (high, 0.2284476041, 0.1442232122, 0.2119279689, 0.2252956925, 0.225690122))
    return bell, tl.where(x < 0, tail, 1 - tail)


# The activations

ACTIVATIONS: dict[str, JITFunction] = {}  # by the names of their records


def activation(function):
    """Keep a function as the kernel of the record of its name."""
    compiled = ACTIVATIONS[function.__name__] = triton.jit(function)
    return compiled


@activation
def sigmoid(x, a, b):
    value, slope = sigma(x)
    return value, slope, x * (1 - x)


@activation
def tanh(x, a, b):
    t = hyperbolic_tangent(x)
    e = exp(-2 * tl.abs(x))
    return t, 4 * e / ((1 + e) * (1 + e)), 1 - x * x


@activation
def log_sigmoid(x, a, b):
    return below(x, 0.0) - log1p(exp(-tl.abs(x))), sigma(-x)[0], -expm1(x)


@activation
def softsign(x, a, b):
    rest = 1 - tl.abs(x)
    inverse = 1 / (1 + tl.abs(x))
    return x / (1 + tl.abs(x)), inverse * inverse, rest * rest


@activation
def tanhshrink(x, a, b):
    t = hyperbolic_tangent(x)
    return x - t, t * t


@activation
def relu(x, a, b):
    slope = one_where(x > 0, x)
    return tl.where(x < 0, 0.0, x), slope, slope


@activation
def squared_relu(x, a, b):
    positive = tl.where(x < 0, 0.0, x)
    return positive * positive, 2 * positive


@activation
def threshold(x, a, b):
    return tl.where(x <= a, b, x), one_where(x > a, x)


@activation
def hardshrink(x, a, b):
    return tl.where(tl.abs(x) <= a, 0.0, x), one_where(tl.abs(x) > a, x), one_where(x != 0, x)


@activation
def softshrink(x, a, b):
    return tl.where(tl.abs(x) <= a, 0.0, x - tl.where(x < 0, -a, a)), one_where(tl.abs(x) > a, x), one_where(x != 0, x)


@activation
def leaky_relu(x, a, b):
    slope = tl.where(x > 0, 1.0, a)
    return tl.where(x > 0, x, a * x), slope, slope


ACTIVATIONS["prelu"] = leaky_relu  # with a fixed slope


@activation
def rrelu(x, a, b):  # in evaluation
    return leaky_relu(x, 0.5 * a + 0.5 * b, b)


@activation
def elu(x, a, b):  # at 0 x itself, for infinity times 0 is NaN
    z = below(x, 0.0)
    return tl.where(x >= 0, x, a * expm1(z)), tl.where(x > 0, 1.0, a * exp(z)), tl.where(x > 0, 1.0, x + a)


@activation
def selu(x, a, b):
    z = below(x, 0.0)
    value = tl.where(x > 0, SCALE * x, PRODUCT * expm1(z))
    return value, tl.where(x > 0, SCALE, PRODUCT * exp(z)), tl.where(x > 0, SCALE, x + PRODUCT)


@activation
def celu(x, a, b):  # an α that is rounded to 0 would give 0 / 0
    least = 2.2250738585072014e-308 if x.dtype == tl.float64 else 1.1754943508222875e-38
    negative = (a < 0) | (1 / a < 0)  # -0, too
    z = below(x, 0.0) / tl.where(negative, below(a, -least), tl.where(a < least, least, a))
    return tl.where(x >= 0, x, a * expm1(z)), exp(z), 1 + below(x, 0.0) / a


@activation
def softplus(x, a, b):
    z = a * x
    value = tl.where(z < 0, 0.0, x) + log1p(exp(-tl.abs(z))) / a
    return tl.where(z > b, x, value), tl.where(z > b, 1.0, sigma(z)[0])


@activation
def swish(x, a, b):
    value, slope = sigma(within(a * x, -800.0, 800.0))  # farther out nothing changes, and it may overflow
    return x * value, tl.fma(within(a * x, -800.0, 800.0), slope, value)


@activation
def silu(x, a, b):
    value, slope = sigma(x)
    return x * value, tl.fma(x, slope, value)


@activation
def gelu(x, a, b):
    bell, cdf = normal(x)
    return x * cdf, tl.fma(x * bell, DENSITY, cdf)


@activation
def gelu_tanh(x, a, b):
    value = x * sigma(x * (CUBIC * x * x + LINEAR))[0]
    z = within(x, -40.0, 40.0)
    s, slope = sigma(z * (CUBIC * z * z + LINEAR))
    return value, tl.fma(z * slope, 3 * CUBIC * z * z + LINEAR, s)


@activation
def mish(x, a, b):  # tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); above 20 it is 1
    z = within(x, -800.0, 20.0)
    e = exp(z)
    n = e * (e + 2)
    inverse = 1 / (n + 2)
    return x * (n / (n + 2)), tl.fma(4 * z * e * inverse, (1 + e) * inverse, n * inverse)


@activation
def relu6(x, a, b):
    slope = one_where((x > 0) & (x < 6), x)
    return within(x, 0.0, 6.0), slope, slope


@activation
def hardsigmoid(x, a, b):
    value = within(x + 3, 0.0, 6.0) * (1 / 6)  # 6 (1 / 6) is 1, whereas a card's quick division may round
    return value, one_where(tl.abs(x) < 3, x) * (1 / 6), one_where((x > 0) & (x < 1), x) * (1 / 6)


@activation
def hardswish(x, a, b):
    slope = tl.where(tl.abs(x) >= 3, one_where(x > 0, x), x / 3 + 0.5)
    return x * (within(x + 3, 0.0, 6.0) * (1 / 6)), slope


@activation
def hardtanh(x, a, b):
    slope = one_where((x > a) & (x < b), x)
    return within(x, a, b), slope, slope


@activation
def sine(x, a, b):
    return tl.sin(a * x), a * tl.cos(a * x)


# Through memory, in blocks


@triton.jit
def computed(x, a, b, F: tl.constexpr):
    return F(x, tl.full((), a, x.dtype), tl.full((), b, x.dtype))


@triton.jit
def loaded(pointer, i, mask):
    x = tl.load(pointer + i, mask=mask)
    return x if x.dtype == tl.float64 else x.to(tl.float32)


@triton.jit
def value(x, out, n, a: tl.float64, b: tl.float64, F: tl.constexpr, BLOCK: tl.constexpr):
    """f(x) into ``out``, which may be ``x``."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    f = computed(loaded(x, i, i < n), a, b, F)
    tl.store(out + i, f[0], mask=i < n)


@triton.jit
def chain(
    gradient, saved, out, n, a: tl.float64, b: tl.float64, WHICH: tl.constexpr, F: tl.constexpr, BLOCK: tl.constexpr
):
    """gradient * f' into ``out``; ``WHICH`` is 1 if the input was saved, and 2 if the output was."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    f = computed(loaded(saved, i, i < n), a, b, F)
    tl.store(out + i, loaded(gradient, i, i < n) * f[WHICH], mask=i < n)


@triton.jit
def gated(x, out, n, half, a: tl.float64, b: tl.float64, F: tl.constexpr, BLOCK: tl.constexpr):
    """p f(q) into ``out``, where in ``x`` as many numbers p as ``half`` come before as many q, over and over."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    at = i + i // half * half
    f = computed(loaded(x + half, at, i < n), a, b, F)
    tl.store(out + i, loaded(x, at, i < n) * f[0], mask=i < n)


@triton.jit
def gated_chain(gradient, x, out, n, half, a: tl.float64, b: tl.float64, F: tl.constexpr, BLOCK: tl.constexpr):
    """gradient f(q) and gradient p f'(q) into ``out``, which lies in memory as ``x`` does."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    at = i + i // half * half
    g = loaded(gradient, i, i < n)
    f = computed(loaded(x + half, at, i < n), a, b, F)
    tl.store(out + at, g * f[0], mask=i < n)
    tl.store(out + half + at, g * loaded(x, at, i < n) * f[1], mask=i < n)
