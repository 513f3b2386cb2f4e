// Activations at memory's speed: each is a struct of two short functions, its value and its slope, over a register of
// numbers. What stands below them, once for all, walks through tensors of any type and layout on all of torch's threads.
//
// `python3 start.py kernels` compiles it; compiled.py loads it. The formulas are those of the records in Python, beside
// which their reasons stand. float16 and bfloat16 are computed with in float32, and rounded once.

#include <ATen/TensorIterator.h>
#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <c10/core/impl/TorchDispatchModeTLS.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <type_traits>

namespace {

using at::Tensor;
using at::vec::fmadd;
using at::vec::Vectorized;
using Parameters = c10::ArrayRef<double>;

// Mathematics on registers. torch's own, by Sleef, is right to one unit in the last place, and called number by number;
// in float32 these few steps are right to about two, and the compiler sets them into the loop.

template <typename V>
V select(const V& mask, const V& yes, const V& no) {
  return V::blendv(no, yes, mask);
}

template <typename V>
V below(const V& x, double bound) {  // of NaN, NaN, as torch's clamp
  return at::vec::clamp_max(x, V(bound));
}

template <typename V>
V within(const V& x, double low, double high) {
  return at::vec::clamp(x, V(low), V(high));
}

template <typename V>
V polynomial(const V& x, std::initializer_list<float> coefficients) {  // the constant comes last
  auto c = coefficients.begin();
  V sum(*c);
  while (++c != coefficients.end()) sum = fmadd(sum, x, V(*c));
  return sum;
}

struct Exponential {  // e^x = scale + scale * rest with a power of two, so that e^x - 1 loses nothing near 0
  Vectorized<float> scale, rest;
};

Exponential exponential(Vectorized<float> x) {  // for x <= 88; below -87.7 it is 0, where e^x is no ordinary number
  using V = Vectorized<float>;
  x = at::vec::clamp_min(x, V(-88.02969f));
  V n = (x * V(1.44269504f)).round();
  V r = fmadd(n, V(-1.42860677e-6f), fmadd(n, V(-0.693145752f), x));  // -log 2 in two parts, the first of few digits
  // Minimax on |r| <= log(2) / 2: (e^r - 1 - r) / r^2.
  V q = polynomial(r, {0.001390128346f, 0.008363146339f, 0.04166685347f, 0.1666657728f, 0.4999999955f});
  auto exponent = at::vec::convert_to_int_of_same_size(n) + Vectorized<int32_t>(127);
  return {at::vec::cast<float>(exponent << Vectorized<int32_t>(23)), fmadd(r * r, q, r)};
}

Vectorized<float> exp(const Vectorized<float>& x) {
  auto e = exponential(x);
  return fmadd(e.scale, e.rest, e.scale);
}

Vectorized<float> expm1(const Vectorized<float>& x) {
  auto e = exponential(x);
  return fmadd(e.scale, e.rest, e.scale - Vectorized<float>(1));
}

Vectorized<float> log1p(const Vectorized<float>& x) {  // 2 artanh(x / (2 + x)), for 0 <= x <= 1
  auto z = x / (x + Vectorized<float>(2)), square = z * z;
  auto rest = polynomial(square, {0.1161677833f, 0.1085226686f, 0.142962495f, 0.1999985161f, 0.3333333367f});
  return Vectorized<float>(2) * fmadd(z * square, rest, z);
}

Vectorized<float> tanh(const Vectorized<float>& x) {  // -m / (2 + m) with m = e^(-2|x|) - 1, and the sign of x
  auto m = expm1(Vectorized<float>(-2) * x.abs());
  auto size = m / (m + Vectorized<float>(2));
  return select(x < Vectorized<float>(0), size, size.neg());
}

// e^(-x^2 / 2), to the last digits: what the square loses is given back.
Vectorized<float> bell(const Vectorized<float>& x) {
  auto square = x * x, lost = fmadd(x, x, square.neg());
  auto e = exp(Vectorized<float>(-0.5f) * square);
  return select(square < Vectorized<float>(180), fmadd(e * lost, Vectorized<float>(-0.5f), e), e);
}

// Φ(x) from the bell curve: for the tail, e^(t^2) erfc(t) = w P(w) with w = 1 / (1 + 0.4 t) and t = |x| / √2.
Vectorized<float> normal_cdf(const Vectorized<float>& x, const Vectorized<float>& bell) {
  using V = Vectorized<float>;
  V w = V(1) / fmadd(x.abs(), V(0.282842712f), V(1));
  V tail = V(0.5f) * bell * w *
      polynomial(w, {-0.02310129567f, 0.1634053528f, -0.4191481431f, 0.4437479246f, -0.2004884202f, 0.2284476041f,
                     0.1442232122f, 0.2119279689f, 0.2252956925f, 0.225690122f});
  return select(x < V(0), tail, V(1) - tail);
}

// In float64 all that is torch's.
Vectorized<double> exp(const Vectorized<double>& x) { return x.exp(); }
Vectorized<double> expm1(const Vectorized<double>& x) { return x.expm1(); }
Vectorized<double> log1p(const Vectorized<double>& x) { return x.log1p(); }
Vectorized<double> tanh(const Vectorized<double>& x) { return x.tanh(); }
Vectorized<double> bell(const Vectorized<double>& x) { return (Vectorized<double>(-0.5) * x * x).exp(); }
Vectorized<double> normal_cdf(const Vectorized<double>& x, const Vectorized<double>&) {
  return Vectorized<double>(0.5) * (x * Vectorized<double>(-0.70710678118654752)).erfc();
}

template <typename V>
struct Sigma {  // σ(x), and σ'(x), in which both tails keep their digits
  V value, slope;
  explicit Sigma(const V& x) {
    V e = exp(x.abs().neg()), inverse = V(1) / (V(1) + e);
    value = select(x < V(0), e, V(1)) * inverse;
    slope = e * inverse * inverse;
  }
};

// The activations: value(x) and slope(x), and where the slope is taken from y = f(x) instead, slope_of_output(y).

template <typename V>
struct Base {
  static V one_where(const V& mask) { return select(mask, V(1), V(0)); }
};

template <typename V>
struct Sigmoid : Base<V> {
  explicit Sigmoid(Parameters) {}
  V value(V x) const { return Sigma<V>(x).value; }
  V slope(V x) const { return Sigma<V>(x).slope; }
  V slope_of_output(V y) const { return y * (V(1) - y); }
};

template <typename V>
struct Tanh : Base<V> {
  explicit Tanh(Parameters) {}
  V value(V x) const { return tanh(x); }
  V slope_of_output(V y) const { return V(1) - y * y; }
};

template <typename V>
struct LogSigmoid : Base<V> {
  explicit LogSigmoid(Parameters) {}
  V value(V x) const { return below(x, 0) - log1p(exp(x.abs().neg())); }
  V slope_of_output(V y) const { return expm1(y).neg(); }
};

template <typename V>
struct Softsign : Base<V> {
  explicit Softsign(Parameters) {}
  V value(V x) const { return x / (V(1) + x.abs()); }
  V slope_of_output(V y) const { return (V(1) - y.abs()) * (V(1) - y.abs()); }
};

template <typename V>
struct Tanhshrink : Base<V> {
  explicit Tanhshrink(Parameters) {}
  V value(V x) const { return x - tanh(x); }
  V slope(V x) const { return tanh(x) * tanh(x); }
};

template <typename V>
struct ReLU : Base<V> {
  explicit ReLU(Parameters) {}
  V value(V x) const { return at::vec::clamp_min(x, V(0)); }
  V slope(V s) const { return this->one_where(s > V(0)); }  // of x or of y
};

template <typename V>
struct SquaredReLU : Base<V> {
  explicit SquaredReLU(Parameters) {}
  V value(V x) const { return positive(x) * positive(x); }
  V slope(V x) const { return positive(x) + positive(x); }

 private:
  static V positive(V x) { return at::vec::clamp_min(x, V(0)); }
};

template <typename V>
struct Threshold : Base<V> {
  V bound, other;
  explicit Threshold(Parameters p) : bound(p[0]), other(p[1]) {}
  V value(V x) const { return select(x <= bound, other, x); }
  V slope(V x) const { return this->one_where(x > bound); }
};

template <typename V>
struct Hardshrink : Base<V> {
  V bound;
  explicit Hardshrink(Parameters p) : bound(p[0]) {}
  V value(V x) const { return select(x.abs() <= bound, V(0), x); }
  V slope(V x) const { return this->one_where(x.abs() > bound); }
  V slope_of_output(V y) const { return this->one_where(y != V(0)); }
};

template <typename V>
struct Softshrink : Base<V> {
  V bound;
  explicit Softshrink(Parameters p) : bound(p[0]) {}
  V value(V x) const { return select(x.abs() <= bound, V(0), x - select(x < V(0), bound.neg(), bound)); }
  V slope_of_output(V y) const { return this->one_where(y != V(0)); }
};

template <typename V>
struct LeakyReLU : Base<V> {  // RReLU in evaluation too, whose parameters are two bounds
  V a;
  explicit LeakyReLU(Parameters p) : a(p.size() == 2 ? (p[0] + p[1]) / 2 : p[0]) {}
  explicit LeakyReLU(V a) : a(a) {}
  V value(V x) const { return select(x > V(0), x, a * x); }
  V slope(V s) const { return select(s > V(0), V(1), a); }
  V slope_of_parameter(V x) const { return select(x > V(0), V(0), x); }
};

template <typename V>
struct ELU : Base<V> {
  V alpha;
  bool finite;  // else at 0, where infinity times 0 is NaN, x itself is returned
  bool small;  // else what is too small for an ordinary number counts too, times α
  explicit ELU(Parameters p)
      : alpha(p[0]), finite(std::abs(p[0]) <= std::numeric_limits<float>::max()), small(std::abs(p[0]) <= 8) {}
  V value(V x) const {
    return select(finite ? x > V(0) : x >= V(0), x, alpha * expm1(below(x, 0)));
  }
  V slope(V x) const {
    V z = below(x, 0);
    return select(x > V(0), V(1), alpha * (small ? exp(z) : z.exp()));
  }
  V slope_of_output(V y) const { return select(y > V(0), V(1), y + alpha); }
};

template <typename V>
struct SELU : Base<V> {
  static constexpr double scale = 1.0507009873554805, product = scale * 1.6732632423543772;
  explicit SELU(Parameters) {}
  V value(V x) const { return select(x > V(0), V(scale) * x, V(product) * expm1(below(x, 0))); }
  V slope(V x) const { return select(x > V(0), V(scale), V(product) * exp(below(x, 0))); }
  V slope_of_output(V y) const { return select(y > V(0), V(scale), y + V(product)); }
};

template <typename V>
struct CELU : Base<V> {
  V alpha, divisor;
  bool finite, rises;
  explicit CELU(Parameters p)
      : alpha(p[0]), finite(std::abs(p[0]) <= std::numeric_limits<float>::max()), rises(p[0] < 0) {
    double least = std::numeric_limits<typename V::value_type>::min();  // an α that is rounded to 0 would give 0 / 0
    divisor = V(std::copysign(std::max(std::abs(p[0]), least), p[0]));
  }
  V value(V x) const {
    V z = below(x, 0) / divisor;
    return select(finite ? x > V(0) : x >= V(0), x, alpha * (rises ? z.expm1() : expm1(z)));
  }
  V slope(V x) const {
    V z = below(x, 0) / divisor;
    return rises ? z.exp() : exp(z);
  }
  V slope_of_output(V y) const { return V(1) + below(y, 0) / alpha; }
};

template <typename V>
struct Softplus : Base<V> {
  V beta, threshold;
  explicit Softplus(Parameters p) : beta(p[0]), threshold(p[1]) {}
  V value(V x) const {
    V z = beta * x;
    return select(z > threshold, x, select(z < V(0), V(0), x) + log1p(exp(z.abs().neg())) / beta);
  }
  V slope(V x) const { return select(beta * x > threshold, V(1), Sigma<V>(beta * x).value); }
};

template <typename V>
struct Sine : Base<V> {
  V frequency;
  explicit Sine(Parameters p) : frequency(p[0]) {}
  V value(V x) const { return (frequency * x).sin(); }
  V slope(V x) const { return frequency * (frequency * x).cos(); }
};

template <typename V>
struct Swish : Base<V> {
  V beta;
  explicit Swish(Parameters p) : beta(p[0]) {}
  explicit Swish(V beta) : beta(beta) {}
  V value(V x) const { return x * Sigma<V>(beta * x).value; }
  V slope(V x) const {
    V z = within(beta * x, -800, 800);  // farther out nothing changes, and it may overflow
    Sigma<V> s(z);
    return fmadd(z, s.slope, s.value);
  }
  V slope_of_parameter(V x) const {  // x^2 σ'(βx), without infinities, which times a slope of 0 would give NaN
    using T = typename V::value_type;
    V finite = within(x, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
    return finite * (finite * Sigma<V>(beta * finite).slope);
  }
};

template <typename V>
struct SiLU : Base<V> {
  explicit SiLU(Parameters) {}
  V value(V x) const { return x * Sigma<V>(x).value; }
  V slope(V x) const {
    Sigma<V> s(x);
    return fmadd(x, s.slope, s.value);
  }
};

template <typename V>
struct GELU : Base<V> {
  explicit GELU(Parameters) {}
  V value(V x) const { return x * normal_cdf(x, bell(x)); }
  V slope(V x) const {
    V b = bell(x);
    return fmadd(x * b, V(0.39894228040143268), normal_cdf(x, b));  // 1 / √(2π)
  }
};

template <typename V>
struct GELUTanh : Base<V> {
  static constexpr double scale = 1.5957691216057308, cubic = 0.044715 * scale;  // 2 √(2/π)
  explicit GELUTanh(Parameters) {}
  V value(V x) const { return x * Sigma<V>(x * fmadd(V(cubic) * x, x, V(scale))).value; }
  V slope(V x) const {
    x = within(x, -40, 40);
    Sigma<V> s(x * fmadd(V(cubic) * x, x, V(scale)));
    return fmadd(x * s.slope, fmadd(V(3 * cubic) * x, x, V(scale)), s.value);
  }
};

template <typename V>
struct Mish : Base<V> {  // tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); above 20 it is 1
  explicit Mish(Parameters) {}
  V value(V x) const {
    V e = exp(below(x, 20)), n = e * (e + V(2));
    return x * (n / (n + V(2)));
  }
  V slope(V x) const {
    x = within(x, -800, 20);
    V e = exp(x), n = e * (e + V(2)), inverse = V(1) / (n + V(2));
    return fmadd(V(4) * x * e * inverse, (V(1) + e) * inverse, n * inverse);
  }
};

template <typename V>
struct ReLU6 : Base<V> {
  explicit ReLU6(Parameters) {}
  V value(V x) const { return within(x, 0, 6); }
  V slope(V s) const { return this->one_where((s > V(0)) & (s < V(6))); }
};

template <typename V>
struct Hardsigmoid : Base<V> {
  explicit Hardsigmoid(Parameters) {}
  V value(V x) const { return within(x + V(3), 0, 6) / V(6); }
  V slope_of_output(V y) const { return select((y > V(0)) & (y < V(1)), V(1. / 6), V(0)); }
};

template <typename V>
struct Hardswish : Base<V> {
  explicit Hardswish(Parameters) {}
  V value(V x) const { return x * (within(x + V(3), 0, 6) * V(1. / 6)); }
  V slope(V x) const { return select(x.abs() >= V(3), this->one_where(x > V(0)), x / V(3) + V(0.5)); }
};

template <typename V>
struct Hardtanh : Base<V> {
  V low, high;
  explicit Hardtanh(Parameters p) : low(p[0]), high(p[1]) {}
  V value(V x) const { return at::vec::clamp(x, low, high); }
  V slope(V s) const { return this->one_where((s > low) & (s < high)); }
};

template <typename F, typename V>
V slope(const F& f, const V& saved, bool from_output) {
  if constexpr (!requires { f.slope(saved); }) {
    return f.slope_of_output(saved);
  } else if constexpr (!requires { f.slope_of_output(saved); }) {
    return f.slope(saved);
  } else {
    return from_output ? f.slope_of_output(saved) : f.slope(saved);
  }
}

// The walk through memory

// f of IN registers, giving OUT of them, over dense numbers; `ahead` is 0 where one register's numbers serve all.
template <typename N, int OUT, int IN, typename F>
void map_dense(std::array<N*, OUT + IN> at, const std::array<int64_t, OUT + IN>& ahead, int64_t n, const F& f) {
  using V = Vectorized<N>;
  std::array<V, IN> in;
  while (n >= V::size()) {
    for (int k = 0; k < IN; ++k) in[k] = V::loadu(at[OUT + k]);
    auto out = f(in);
    for (int k = 0; k < OUT; ++k) out[k].store(at[k]);
    for (int k = 0; k < OUT + IN; ++k) at[k] += ahead[k];
    n -= V::size();
  }
  if (n > 0) {
    for (int k = 0; k < IN; ++k) in[k] = V::loadu(at[OUT + k], n);
    auto out = f(in);
    for (int k = 0; k < OUT; ++k) out[k].store(at[k], n);
  }
}

template <typename T, typename N>
void gather_as(const char* from, int64_t stride, int64_t n, N* to) {
  if (stride == sizeof(T)) return at::vec::convert(reinterpret_cast<const T*>(from), to, n);
  for (int64_t i = 0; i < n; ++i) to[i] = *reinterpret_cast<const T*>(from + i * stride);
}

template <typename T, typename N>
void scatter_as(const N* from, char* to, int64_t stride, int64_t n) {
  if (stride == sizeof(T)) return at::vec::convert(from, reinterpret_cast<T*>(to), n);
  for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(to + i * stride) = from[i];
}

template <typename N>
void gather(at::ScalarType type, const char* from, int64_t stride, int64_t n, N* to) {
  if constexpr (std::is_same_v<N, float>) {
    if (type == at::kBFloat16) return gather_as<at::BFloat16>(from, stride, n, to);
    if (type == at::kHalf) return gather_as<at::Half>(from, stride, n, to);
  }
  gather_as<N>(from, stride, n, to);
}

template <typename N>
void scatter(at::ScalarType type, const N* from, char* to, int64_t stride, int64_t n) {
  if constexpr (std::is_same_v<N, float>) {
    if (type == at::kBFloat16) return scatter_as<at::BFloat16>(from, to, stride, n);
    if (type == at::kHalf) return scatter_as<at::Half>(from, to, stride, n);
  }
  scatter_as<N>(from, to, stride, n);
}

// The same over all numbers of an iterator's tensors, of which the outputs come first: what is not dense, or of 16 bits,
// goes through blocks that stay in the first cache. torch's iterator shares the work among its threads.
template <typename N, int OUT, int IN, typename F>
void map(at::TensorIteratorBase& iterator, const F& f) {
  constexpr int64_t BLOCK = 512;
  auto type = iterator.common_dtype();
  bool direct = type == c10::CppTypeToScalarType<N>::value;
  iterator.for_each([&](char** data, const int64_t* strides, int64_t n) {
    alignas(64) N blocks[OUT + IN][BLOCK];
    std::array<N*, OUT + IN> at;
    std::array<int64_t, OUT + IN> ahead;
    std::array<bool, OUT + IN> copied;
    int64_t together = n;
    for (int k = 0; k < OUT + IN; ++k) {
      bool one = k >= OUT && strides[k] == 0;  // as the gradient of a sum
      copied[k] = !one && !(direct && strides[k] == sizeof(N));
      ahead[k] = one ? 0 : Vectorized<N>::size();
      at[k] = one || copied[k] ? blocks[k] : reinterpret_cast<N*>(data[k]);
      if (one) gather(type, data[k], 0, Vectorized<N>::size(), blocks[k]);
      if (copied[k]) together = BLOCK;
    }
    for (int64_t start = 0; start < n; start += together) {
      int64_t count = std::min(together, n - start);
      for (int k = OUT; k < OUT + IN; ++k)
        if (copied[k]) gather(type, data[k] + start * strides[k], strides[k], count, blocks[k]);
      map_dense<N, OUT, IN>(at, ahead, count, f);
      for (int k = 0; k < OUT; ++k)
        if (copied[k]) scatter(type, blocks[k], data[k] + start * strides[k], strides[k], count);
      for (int k = 0; k < OUT + IN; ++k)
        if (!copied[k] && ahead[k]) at[k] += count;
    }
  });
}

// f(0.0) where numbers are computed with in 64 bits, f(0.0f) elsewhere.
template <typename F>
void by_type(at::ScalarType type, const F& f) {
  TORCH_CHECK(at::isFloatingType(type), "nonlin's kernels compute with floating-point numbers, not with ", type, ".");
  if (type == at::kDouble) {
    f(0.0);
  } else {
    f(0.0f);
  }
}

struct Activation {
  void (*value)(at::TensorIteratorBase&, Parameters);
  void (*chain)(at::TensorIteratorBase&, Parameters, bool);
};

template <template <typename> typename F>
constexpr Activation made() {
  return {
      [](at::TensorIteratorBase& iterator, Parameters parameters) {
        by_type(iterator.common_dtype(), [&](auto zero) {
          using N = decltype(zero);
          using V = Vectorized<N>;
          F<V> f(parameters);
          map<N, 1, 1>(iterator, [f](const std::array<V, 1>& in) { return std::array<V, 1>{f.value(in[0])}; });
        });
      },
      [](at::TensorIteratorBase& iterator, Parameters parameters, bool from_output) {
        by_type(iterator.common_dtype(), [&](auto zero) {
          using N = decltype(zero);
          using V = Vectorized<N>;
          F<V> f(parameters);
          map<N, 1, 2>(iterator, [f, from_output](const std::array<V, 2>& in) {
            return std::array<V, 1>{in[1] * slope(f, in[0], from_output)};
          });
        });
      }};
}

const std::map<std::string_view, Activation> ACTIVATIONS{
    {"sigmoid", made<Sigmoid>()},
    {"tanh", made<Tanh>()},
    {"log_sigmoid", made<LogSigmoid>()},
    {"softsign", made<Softsign>()},
    {"tanhshrink", made<Tanhshrink>()},
    {"relu", made<ReLU>()},
    {"squared_relu", made<SquaredReLU>()},
    {"threshold", made<Threshold>()},
    {"hardshrink", made<Hardshrink>()},
    {"softshrink", made<Softshrink>()},
    {"leaky_relu", made<LeakyReLU>()},
    {"prelu", made<LeakyReLU>()},
    {"rrelu", made<LeakyReLU>()},
    {"elu", made<ELU>()},
    {"selu", made<SELU>()},
    {"celu", made<CELU>()},
    {"softplus", made<Softplus>()},
    {"swish", made<Swish>()},
    {"silu", made<SiLU>()},
    {"gelu", made<GELU>()},
    {"gelu_tanh", made<GELUTanh>()},
    {"mish", made<Mish>()},
    {"relu6", made<ReLU6>()},
    {"hardsigmoid", made<Hardsigmoid>()},
    {"hardswish", made<Hardswish>()},
    {"hardtanh", made<Hardtanh>()},
    {"sine", made<Sine>()},
};

const Activation& named(std::string_view name) {
  auto found = ACTIVATIONS.find(name);
  TORCH_CHECK(found != ACTIVATIONS.end(), "nonlin has no kernel of the name ", name, ".");
  return found->second;
}

at::TensorIterator over(const Tensor& out, std::initializer_list<Tensor> inputs) {
  at::TensorIteratorConfig config;
  config.add_owned_output(out);
  for (const auto& input : inputs) config.add_owned_const_input(input.is_neg() ? input.resolve_neg() : input);
  return config.set_check_mem_overlap(true).build();
}

Tensor value(const Activation& activation, const Tensor& x, Parameters parameters) {
  auto iterator = over(Tensor(), {x});
  activation.value(iterator, parameters);
  return iterator.output();
}

Tensor chain(
    const Activation& activation, const Tensor& gradient, const Tensor& saved, Parameters parameters, bool from_output) {
  auto iterator = over(Tensor(), {saved, gradient});  // the first decides how the result lies in memory
  activation.chain(iterator, parameters, from_output);
  return iterator.output();
}

// Learned slopes and gates

// gradient * f' for each number, and for each channel the sum of gradient * df/da, in one pass. Partial sums are kept
// for blocks that do not depend on the number of threads, so that neither does the result.
template <template <typename> typename F>
std::tuple<Tensor, Tensor> chain_and_sums(const Tensor& gradient, const Tensor& x, const Tensor& learned) {
  constexpr int64_t BLOCK = 8192;  // numbers
  int64_t n = x.numel(), channels = learned.numel();
  bool last = channels > 1 && x.stride(1) == 1;  // of each position, all channels lie side by side
  int64_t inner = channels == 1 ? BLOCK : last ? 1 : n / std::max<int64_t>(x.size(0) * channels, 1);
  inner = std::max<int64_t>(inner, 1);
  int64_t positions = n / channels, together = std::max<int64_t>(BLOCK / channels, 1);  // where channels lie last
  int64_t blocks = last ? (positions + together - 1) / together : (n + inner - 1) / inner;
  Tensor result = at::empty_like(x), weights = learned.to(at::kDouble).contiguous();
  Tensor sums = at::empty({blocks, last ? channels : 1}, x.options().dtype(at::kDouble));
  Tensor numbers = at::empty({blocks}, x.options().dtype(at::kDouble));  // only walked over: torch's threads share it
  const double* weight = weights.const_data_ptr<double>();
  double* sum = sums.mutable_data_ptr<double>();
  by_type(x.scalar_type(), [&](auto zero) {
    using N = decltype(zero);
    using V = Vectorized<N>;
    const N *g = gradient.const_data_ptr<N>(), *from = x.const_data_ptr<N>();
    N* to = result.mutable_data_ptr<N>();
    auto step = [&](int64_t i, int64_t count, const F<V>& f) {  // up to V::size() numbers from i on
      V one = V::loadu(g + i, count), other = V::loadu(from + i, count);
      (one * f.slope(other)).store(to + i, count);
      V each = one * f.slope_of_parameter(other);
      return count < V::size() ? V::set(V(0), each, count) : each;
    };
    auto block_of_one = [&](int64_t block) {
      F<V> f{V(weight[block % channels])};
      double total = 0;
      int64_t end = std::min((block + 1) * inner, n);
      for (int64_t start = block * inner; start < end; start += BLOCK) {
        V lanes(0);  // short sums of 32 bits, of which that of 64 bits is made
        for (int64_t i = start, stop = std::min(start + BLOCK, end); i < stop; i += V::size())
          lanes = lanes + step(i, std::min<int64_t>(V::size(), stop - i), f);
        N numbers[V::size()];
        lanes.store(numbers);
        total = std::accumulate(numbers, numbers + V::size(), total);
      }
      sum[block] = total;
    };
    auto block_of_all = [&](int64_t block) {
      int64_t end = std::min((block + 1) * together, positions);
      for (int64_t c = 0; c < channels; c += V::size()) {
        int64_t count = std::min<int64_t>(V::size(), channels - c);
        N numbers[V::size()] = {};
        std::copy_n(weight + c, count, numbers);
        F<V> f{V::loadu(numbers)};
        V lanes(0);
        for (int64_t position = block * together; position < end; ++position)
          lanes = lanes + step(position * channels + c, count, f);
        lanes.store(numbers);
        std::copy_n(numbers, count, sum + block * channels + c);
      }
    };
    const double* first = numbers.const_data_ptr<double>();
    auto walk = at::TensorIterator::borrowing_nullary_op(numbers);
    walk.for_each(
        [&](char** data, const int64_t*, int64_t count) {
          int64_t block = reinterpret_cast<double*>(data[0]) - first;
          for (int64_t end = block + count; block < end; ++block) last ? block_of_all(block) : block_of_one(block);
        },
        1);
  });
  bool each_channel = channels > 1 && !last;
  return {result, (each_channel ? sums.view({blocks / channels, channels}) : sums).sum(0)};
}

struct Learned {
  void (*value)(at::TensorIteratorBase&);  // of x and of what is learned, broadcast
  std::tuple<Tensor, Tensor> (*chain)(const Tensor&, const Tensor&, const Tensor&);
};

template <template <typename> typename F>
constexpr Learned learned_by() {
  return {
      [](at::TensorIteratorBase& iterator) {
        by_type(iterator.common_dtype(), [&](auto zero) {
          using N = decltype(zero);
          using V = Vectorized<N>;
          map<N, 1, 2>(iterator, [](const std::array<V, 2>& in) {
            return std::array<V, 1>{F<V>(in[1]).value(in[0])};
          });
        });
      },
      chain_and_sums<F>};
}

const std::map<std::string_view, Learned> LEARNED{
    {"prelu", learned_by<LeakyReLU>()},
    {"swish", learned_by<Swish>()},
};

struct Gate {  // a f(b)
  void (*value)(at::TensorIteratorBase&);
  void (*chain)(at::TensorIteratorBase&);
};

template <template <typename> typename F>
constexpr Gate gate() {
  return {
      [](at::TensorIteratorBase& iterator) {
        by_type(iterator.common_dtype(), [&](auto zero) {
          using N = decltype(zero);
          using V = Vectorized<N>;
          map<N, 1, 2>(iterator, [](const std::array<V, 2>& in) {
            return std::array<V, 1>{in[0] * F<V>(Parameters()).value(in[1])};
          });
        });
      },
      [](at::TensorIteratorBase& iterator) {
        by_type(iterator.common_dtype(), [&](auto zero) {
          using N = decltype(zero);
          using V = Vectorized<N>;
          map<N, 2, 3>(iterator, [](const std::array<V, 3>& in) {
            F<V> f{Parameters()};
            return std::array<V, 2>{in[0] * f.value(in[2]), in[0] * in[1] * f.slope(in[2])};
          });
        });
      }};
}

const std::map<std::string_view, Gate> GATES{
    {"sigmoid", gate<Sigmoid>()},
    {"relu", gate<ReLU>()},
    {"gelu", gate<GELU>()},
    {"silu", gate<SiLU>()},
};

Tensor learned(std::string_view name, const Tensor& x, const Tensor& parameter) {
  auto iterator = over(at::empty_like(x), {x, parameter});
  LEARNED.at(name).value(iterator);
  return iterator.output();
}

std::tuple<Tensor, Tensor> learned_backward(
    std::string_view name, const Tensor& gradient, const Tensor& x, const Tensor& parameter) {
  // In one piece, and alike: else in a copy that is.
  bool dense = x.is_non_overlapping_and_dense();
  bool known = parameter.numel() == 1 || x.is_contiguous() || (x.numel() > 0 && x.stride(1) == 1);
  Tensor from = (dense && known ? x : x.contiguous()).to(at::promote_types(x.scalar_type(), at::kFloat));
  bool alike = gradient.strides() == from.strides() && gradient.scalar_type() == from.scalar_type();
  auto [for_x, sums] = LEARNED.at(name).chain(alike ? gradient : at::empty_like(from).copy_(gradient), from, parameter);
  return {for_x.to(x.scalar_type()), sums};
}

Tensor gated(std::string_view name, const Tensor& a, const Tensor& b) {
  auto iterator = over(Tensor(), {a, b});
  GATES.at(name).value(iterator);
  return iterator.output();
}

void gated_backward(
    std::string_view name, const Tensor& gradient, const Tensor& a, const Tensor& b, Tensor& for_a, Tensor& for_b) {
  auto iterator = at::TensorIteratorConfig()
      .add_output(for_a)
      .add_output(for_b)
      .add_const_input(gradient)
      .add_const_input(a)
      .add_const_input(b)
      .build();
  GATES.at(name).chain(iterator);
}

// The operators

Tensor apply(std::string_view name, const Tensor& x, Parameters parameters, bool) {
  return value(named(name), x, parameters);
}

Tensor& overwrite(std::string_view name, Tensor& x, Parameters parameters) {
  auto iterator = over(x, {x});
  named(name).value(iterator, parameters);
  x.unsafeGetTensorImpl()->bump_version();  // so that autograd notices
  return x;
}

Tensor backward(
    std::string_view name, const Tensor& gradient, const Tensor& saved, Parameters parameters, bool from_output) {
  return chain(named(name), gradient, saved, parameters, from_output);
}

// Whether nobody follows the steps of backward, as torch.func, dual numbers, and tracers do.
bool alone(const Tensor& gradient) {
  auto ordinary = c10::DispatchKeySet({c10::DispatchKey::CPU, c10::DispatchKey::ADInplaceOrView}) |
      c10::getAutogradRelatedKeySetFromBackend(c10::BackendComponent::CPUBit) |
      c10::getAutocastRelatedKeySetFromBackend(c10::BackendComponent::CPUBit);
  return !at::GradMode::is_enabled() && (gradient.key_set() - ordinary).highestFunctionalityKey() == c10::DispatchKey::Undefined &&
      !gradient._fw_grad(0).defined() && !c10::impl::TorchDispatchModeTLS::any_modes_set();
}

// The chain rule as torch::autograd::CppNode takes it, from a dictionary.
struct ChainRule {
  static constexpr bool is_traceable = false;

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto& name = context->saved_data["name"].toStringRef();
    auto parameters = context->saved_data["parameters"].toDoubleVector();
    bool from_output = context->saved_data["from_output"].toBool();
    Tensor gradient = gradients[0], saved = context->get_saved_variables()[0], result;
    if (!gradient.defined()) return torch::autograd::variable_list(4);  // nor is what becomes of it
    if (alone(gradient)) {
      result = chain(named(name), gradient, saved, parameters, from_output);
    } else {
      static auto plain = c10::Dispatcher::singleton()
          .findSchemaOrThrow("nonlin::plain_backward", "")
          .typed<Tensor(std::string_view, const Tensor&, const Tensor&, Parameters)>();
      result = plain.call(name, gradient, saved, parameters);
    }
    return {Tensor(), result, Tensor(), Tensor()};
  }
};

// torch::autograd::Function would take as long again as the kernel of a small tensor, since it fills the dictionary in each
// forward and asks for the demangled name of its type in each backward. Here only those pay who follow the steps.
struct Slope : torch::autograd::CppNode<ChainRule> {
  using Base = torch::autograd::CppNode<ChainRule>;

  std::string activation_name;
  const Activation* activation = nullptr;
  std::vector<double> parameters;
  bool from_output = false;

  std::string name() const override { return activation_name + "Backward"; }  // as torch's messages show it

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (gradients[0].defined() && alone(gradients[0])) {
      std::lock_guard<std::mutex> lock(mutex_);
      return {chain(*activation, gradients[0], ctx_.get_saved_variables()[0], parameters, from_output)};
    }
    tell();
    return Base::apply(std::move(gradients));
  }

  void compiled_args(torch::dynamo::autograd::CompiledNodeArgs& args) const override {
    const_cast<Slope*>(this)->tell();  // no node is made as a constant
    Base::compiled_args(args);
  }

 private:
  void tell() {
    std::lock_guard<std::mutex> lock(mutex_);
    ctx_.saved_data["name"] = activation_name;
    ctx_.saved_data["parameters"] = parameters;
    ctx_.saved_data["from_output"] = from_output;
  }
};

Tensor apply_with_backward(std::string_view name, const Tensor& x, Parameters parameters, bool from_output) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return apply(name, x, parameters, from_output);
  }
  auto slope = c10::make_intrusive<Slope>();
  slope->activation_name = name;
  slope->activation = &named(name);
  slope->parameters = parameters.vec();
  slope->from_output = from_output;
  slope->is_variable_input_ = {false, true, false, false};
  slope->set_ctx_grad_fn(slope);
  slope->ctx_.set_materialize_grads(false);
  slope->set_next_edges(torch::autograd::collect_next_edges(x));
  Tensor y;
  {
    at::AutoDispatchBelowADInplaceOrView below;
    y = value(*slope->activation, x, parameters);
  }
  slope->ctx_.save_for_backward({from_output ? y : x});
  torch::autograd::set_history(y, slope);
  slope->output_info_.emplace_back(y);
  slope->save_variables_to_ctx();
  torch::autograd::fire_node_creation_hooks(slope);  // last, as torch does
  return y;
}

}  // namespace

TORCH_LIBRARY(nonlin, m) {
  m.def("apply(str name, Tensor x, float[] parameters, bool from_output) -> Tensor");
  m.def("overwrite(str name, Tensor(a!) x, float[] parameters) -> Tensor(a!)");
  m.def("backward(str name, Tensor gradient, Tensor saved, float[] parameters, bool from_output) -> Tensor");
  m.def("learned(str name, Tensor x, Tensor parameter) -> Tensor");
  m.def("learned_backward(str name, Tensor gradient, Tensor x, Tensor parameter) -> (Tensor, Tensor)");
  m.def("gated(str name, Tensor a, Tensor b) -> Tensor");
  m.def("gated_backward(str name, Tensor gradient, Tensor a, Tensor b, Tensor(a!) for_a, Tensor(b!) for_b) -> ()");
  m.def("plain_backward(str name, Tensor gradient, Tensor saved, float[] parameters) -> Tensor");
}

TORCH_LIBRARY_IMPL(nonlin, CPU, m) {
  m.impl("apply", apply);
  m.impl("overwrite", overwrite);
  m.impl("backward", backward);
  m.impl("learned", learned);
  m.impl("learned_backward", learned_backward);
  m.impl("gated", gated);
  m.impl("gated_backward", gated_backward);
}

TORCH_LIBRARY_IMPL(nonlin, AutogradCPU, m) {
  m.impl("apply", apply_with_backward);
}
