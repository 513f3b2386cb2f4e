// What the generated formulas call. Each keeps its digits in both tails, and none overflows for a finite input.

const expm1 = Math.expm1;
const log1p = Math.log1p;
const tanh = Math.tanh;

function sigma(z) {  // 1 / (1 + e^-z), with no positive exponent
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}

function sigmaSlope(z) {
  const e = Math.exp(-Math.abs(z));
  return e / ((1 + e) * (1 + e));
}

function tanhSlope(z) {
  return 4 * sigmaSlope(2 * z);
}

function softplus(z) {  // log(1 + e^z)
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

function tanhshrink(z) {  // z - tanh z; near 0, where this cancels, z c / (1 + c) by Lambert's continued fraction
  if (!(Math.abs(z) < 1)) return z - Math.tanh(z);
  let c = 0;
  for (let odd = 19; odd > 1; odd -= 2) c = z * z / (odd + c);
  return z * c / (1 + c);
}

function density(z) {
  return Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
}

function shareFromZero(z) {  // the share of N(0, 1) between 0 and z, which is not large
  let term = z, sum = z;  // density (z + z^3/3 + z^5/15 + ...)
  for (let odd = 3; Math.abs(term) > 1e-18 * Math.abs(sum); odd += 2) sum += term *= z * z / odd;
  return density(z) * sum;
}

function upperShare(z) {  // the share of N(0, 1) above z >= 0
  if (z > 40) return 0;
  if (z > 1.5) {  // Laplace's continued fraction, density / (z + 1/(z + 2/(z + 3/(z + ...))))
    let rest = z;
    for (let n = Math.ceil(30 + 600 / (z * z)); n > 0; n--) rest = z + n / rest;
    return density(z) / rest;
  }
  return 0.5 - shareFromZero(z);
}

function Phi(z) {
  return z < 0 ? upperShare(-z) : 1 - upperShare(z);
}

function erf(z) {
  if (Math.abs(z) < 1) return 2 * shareFromZero(Math.SQRT2 * z);
  return Math.sign(z) * (1 - 2 * upperShare(Math.SQRT2 * Math.abs(z)));
}
