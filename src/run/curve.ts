/**
 * Curves of any length in constant memory. Dropped points lie between the extremes that are kept.
 */

export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
  readonly count: number;
}

interface Bucket {
  finite: number;
  minStep: number;
  min: number;
  maxStep: number;
  max: number;
  gap: number;
}

/**
 * Keeps all measurements up to `capacity`. Beyond that, keeps the smallest and the largest of each
 * of at most `capacity` buckets of equal size, and the first and the last measurement, so that a
 * single spike in a million steps stays visible.
 */
export class CurveBuilder {
  private buckets: Bucket[] = [];
  private width = 1;
  private filled = 0;
  private count = 0;
  private first: Point | undefined;
  private last: Point | undefined;

  constructor(private readonly capacity: number) {
    if (capacity < 2 || capacity % 2 !== 0)
      throw new RangeError(`${capacity} is not an even number of at least 2`);
  }

  add(step: number, value: number): void {
    this.count += 1;
    this.last = { step, value };
    this.first ??= this.last;
    if (this.filled === this.width || this.count === 1) this.open();
    this.filled += 1;
    include(this.buckets[this.buckets.length - 1], step, value);
  }

  get curve(): Curve {
    const points = this.buckets.flatMap(pointsOf);
    if (this.first && points[0]?.step !== this.first.step) points.unshift(this.first);
    if (this.last && points[points.length - 1]?.step !== this.last.step) points.push(this.last);
    return {
      steps: points.map(({ step }) => step),
      values: points.map(({ value }) => (Number.isFinite(value) ? value : null)),
      count: this.count,
    };
  }

  private open(): void {
    if (this.buckets.length === this.capacity) {
      this.buckets = mergePairs(this.buckets);
      this.width *= 2;
    }
    this.buckets.push({ finite: 0, minStep: 0, min: 0, maxStep: 0, max: 0, gap: -1 });
    this.filled = 0;
  }
}

interface Point {
  readonly step: number;
  readonly value: number;
}

function include(bucket: Bucket, step: number, value: number): void {
  if (!Number.isFinite(value)) {
    if (bucket.gap < 0) bucket.gap = step;
    return;
  }
  if (bucket.finite === 0 || value < bucket.min) {
    bucket.min = value;
    bucket.minStep = step;
  }
  if (bucket.finite === 0 || value > bucket.max) {
    bucket.max = value;
    bucket.maxStep = step;
  }
  bucket.finite += 1;
}

function mergePairs(buckets: readonly Bucket[]): Bucket[] {
  const merged: Bucket[] = [];
  for (let i = 0; i < buckets.length; i += 2) merged.push(merge(buckets[i], buckets[i + 1]));
  return merged;
}

function merge(a: Bucket, b: Bucket): Bucket {
  const gap = a.gap >= 0 ? a.gap : b.gap;
  if (a.finite === 0) return { ...b, gap };
  if (b.finite === 0) return { ...a, gap };
  const [low, high] = [a.min <= b.min ? a : b, a.max >= b.max ? a : b];
  return {
    finite: a.finite + b.finite,
    minStep: low.minStep,
    min: low.min,
    maxStep: high.maxStep,
    max: high.max,
    gap,
  };
}

function pointsOf({ finite, minStep, min, maxStep, max, gap }: Bucket): Point[] {
  const points: Point[] = gap < 0 ? [] : [{ step: gap, value: Number.NaN }];
  if (finite > 0) points.push({ step: minStep, value: min });
  if (finite > 1 && maxStep !== minStep) points.push({ step: maxStep, value: max });
  return points.sort((a, b) => a.step - b.step);
}
