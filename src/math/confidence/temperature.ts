/**
 * Temperature scaling (Guo et al., 2017): logits z are divided by one T > 0 that minimizes the
 * cross-entropy on held-out predictions. It is convex in b = 1 / T.
 */

/** Bounds of b: at the lower one, all probabilities are about equal. */
const [LEAST, MOST] = [0.01, 100];

/** Predictions of one of several classes: logits `[C]` of each, and the class. */
export interface ScoredClasses {
  readonly logits: readonly ArrayLike<number>[];
  readonly labels: readonly number[];
}

/**
 * T for softmax(z / T), the same for all classes; undefined if all predictions are right: the
 * smaller T, the better they then seem.
 */
export function classTemperature({ logits, labels }: ScoredClasses): number | undefined {
  const isRight = (z: ArrayLike<number>, label: number) =>
    Array.from(z).every((logit, k) => logit < z[label] || k === label);
  if (logits.every((z, n) => isRight(z, labels[n]))) return undefined;
  return temperatureOf(b => {
    let [slope, curvature] = [0, 0];
    for (let n = 0; n < labels.length; n++) {
      const z = logits[n];
      let most = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < z.length; k++) most = Math.max(most, z[k]);
      let [sum, mean, square] = [0, 0, 0];
      for (let k = 0; k < z.length; k++) {
        // shifted, so that squares stay small
        const [shifted, weight] = [z[k] - most, Math.exp(b * (z[k] - most))];
        sum += weight;
        mean += weight * shifted;
        square += weight * shifted * shifted;
      }
      mean /= sum;
      slope += mean - (z[labels[n]] - most);
      curvature += square / sum - mean * mean;
    }
    return [slope, curvature];
  });
}

/**
 * T for sigma(z / T) of one label, with targets from 0 to 1; undefined if all predictions are
 * right.
 */
export function labelTemperature(logits: readonly number[], targets: ArrayLike<number>): number | undefined {
  if (logits.every((z, n) => z !== 0 && targets[n] === Number(z > 0))) return undefined;
  return temperatureOf(b => {
    let [slope, curvature] = [0, 0];
    for (let n = 0; n < logits.length; n++) {
      const p = 1 / (1 + Math.exp(-b * logits[n]));
      slope += logits[n] * (p - targets[n]);
      curvature += logits[n] * logits[n] * p * (1 - p);
    }
    return [slope, curvature];
  });
}

const MAX_ROUNDS = 200;

/** 1 / b at which the slope of a convex function is 0, or at the nearer bound (Newton). */
function temperatureOf(at: (b: number) => readonly [slope: number, curvature: number]): number {
  let [low, high, b] = [LEAST, MOST, 1];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const [slope, curvature] = at(b);
    if (slope === 0) break;
    if (slope > 0) high = b;
    else low = b;
    const newton = b - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    const isClose = Math.abs(next - b) <= 1e-12 * b;
    b = next;
    if (isClose) break;
  }
  return 1 / b;
}
