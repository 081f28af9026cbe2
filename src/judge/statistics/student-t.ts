/** Student's t distribution for one-sided tests and intervals. */

/**
 * P(T >= t) for t >= 0 with `df` degrees of freedom, not necessarily an integer: half of the
 * regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2) (Abramowitz and Stegun
 * 26.5.27). Relative error below 1e-10.
 */
export function upperTail(t: number, df: number): number {
  if (t === Number.POSITIVE_INFINITY) return 0;
  return regularizedBeta(df / (df + t * t), df / 2, 0.5) / 2;
}

/** The t whose upper tail is `p`, 0 < p <= 0.5; found by bisection. */
export function upperQuantile(p: number, df: number): number {
  let high = 1;
  while (upperTail(high, df) > p && high < 1e300) high *= 2;
  let low = 0;
  for (let i = 0; i < 200 && high - low > 1e-14 * high; i++) {
    const middle = (low + high) / 2;
    if (upperTail(middle, df) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * I_x(a, b) by its continued fraction (DLMF 8.17.22), which converges fast for x below (a + 1) / (a
 * + b + 2); for larger x by symmetry (8.17.4).
 */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return (front / a) * betaFraction(x, a, b);
}

const TINY = 1e-300;

/** Lentz's method as modified by Thompson and Barnett (J. Comput. Phys. 64, 1986). */
function betaFraction(x: number, a: number, b: number): number {
  let [c, d] = [1, 1 / away(1 - ((a + b) * x) / (a + 1))];
  let value = d;
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      value *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return value;
}

function away(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** Lanczos approximation of log Γ, g = 7, n = 9 (coefficients by P. Godfrey); arguments above 0. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  const base = shifted + 7.5;
  const sum = LANCZOS.slice(1).reduce((total, c, i) => total + c / (shifted + i + 1), LANCZOS[0]);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}
