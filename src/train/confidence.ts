/** Fits temperatures, thresholds and intervals on the predictions of the validation split. */
import type { Experiment } from '../config/index.js';
import { conformalQuantile, type IntervalsConfig } from '../math/confidence/conformal.js';
import { classTemperature, labelTemperature } from '../math/confidence/temperature.js';
import { chooseThreshold, type ThresholdAim } from '../math/confidence/threshold.js';
import { taskOf } from '../math/losses/index.js';
import { type Numbers, type Scored, secondProbability } from '../math/metrics/metric.js';
import type { Confidence, Decisions } from '../run/confidence.js';
import type { PredictedSequence, Prediction } from './evaluator.js';
import type { ModelRun } from './shards.js';

/** What a config asks for. */
export type ConfidenceSettings = Pick<Experiment, 'calibrate' | 'threshold' | 'intervals'>;

export function asksForConfidence({ calibrate, threshold, intervals }: ConfidenceSettings): boolean {
  return calibrate === true || threshold !== undefined || intervals !== undefined;
}

/** Most scores of a value that adaptive intervals start from: `confidence.json` has all of them. */
const MOST_SCORES = 500;

/** Most numbers that are kept of the predictions of a split: 256 MiB in float64. */
const MAX_KEPT = 2 ** 25;

/**
 * Keeps lists of predictions in their order, evenly spaced if there are too many.
 * @param numbers in each
 */
class Sample<T> {
  readonly kept: T[] = [];
  private seen = 0;
  private spacing = 1;

  constructor(private readonly numbers: number) {}

  add(make: () => T): void {
    if (this.seen++ % this.spacing !== 0) return;
    this.kept.push(make());
    if (this.kept.length * this.numbers <= MAX_KEPT) return;
    for (let i = 0; 2 * i < this.kept.length; i++) this.kept[i] = this.kept[2 * i];
    this.kept.length = Math.ceil(this.kept.length / 2);
    this.spacing *= 2;
  }
}

interface Kept {
  readonly logits: Numbers;
  readonly targets: Float64Array;
}

/** Collects predictions; fits a temperature for all classes or symbols, or one for each label. */
export class TemperatureFit {
  private readonly sample: Sample<Kept>;

  constructor(private readonly run: Pick<ModelRun, 'loss' | 'spec'>) {
    this.sample = new Sample(run.spec.outputSize);
  }

  readonly add = ({ predictions }: PredictedSequence): void => {
    for (const { outputs, target, counts } of predictions) {
      if (!counts || !outputs.every(Number.isFinite)) continue;
      if (this.run.spec.decoder) this.addSymbols(outputs, target);
      else this.sample.add(() => ({ logits: outputs.slice(), targets: Float64Array.from(target) }));
    }
  };

  /** Each symbol of a target and the boundary after them are a class, after the symbols before. */
  private addSymbols(outputs: Numbers, target: Numbers): void {
    const { outputSize } = this.run.spec;
    const boundary = outputSize - 1;
    if (target.includes(boundary)) return;
    for (const [s, symbol] of [...target, boundary].entries()) {
      const logits = () => outputs.slice(s * outputSize, (s + 1) * outputSize);
      this.sample.add(() => ({ logits: logits(), targets: Float64Array.of(symbol) }));
    }
  }

  /** Undefined if all predictions are right. */
  get temperatures(): (number | undefined)[] {
    const { kept } = this.sample;
    if (taskOf(this.run.loss) !== 'labels') {
      const labels = kept.map(({ targets }) => targets[0]);
      return [classTemperature({ logits: kept.map(({ logits }) => logits), labels })];
    }
    return Array.from({ length: this.run.spec.outputSize }, (_, i) =>
      labelTemperature(
        kept.map(({ logits }) => logits[i]),
        kept.map(({ targets }) => targets[i]),
      ),
    );
  }
}

type Fitted = Scored & Pick<Prediction, 'step' | 'counts' | 'scores'>;

/** Collects calibrated predictions, from which it fits thresholds and intervals. */
export class DecisionFit {
  private readonly cases: Sample<readonly (readonly [probability: number, isPositive: boolean])[]>;
  /** By step of the horizon. */
  private readonly scores: Sample<Float64Array>[] = [];
  private predictions = 0;

  /** @param firstStep of the horizon, if a forecast has a prediction at each step */
  constructor(
    private readonly run: Pick<ModelRun, 'loss' | 'spec'>,
    private readonly settings: ConfidenceSettings,
    private readonly firstStep: number | undefined,
  ) {
    this.cases = new Sample(run.spec.outputSize);
  }

  readonly add = ({ predictions }: { readonly predictions: readonly Fitted[] }): void => {
    const { threshold, intervals } = this.settings;
    for (const prediction of predictions) {
      if (!prediction.counts) continue;
      this.predictions++;
      if (threshold) this.cases.add(() => casesOf(taskOf(this.run.loss) === 'classes', prediction));
      if (intervals) this.addScores(prediction);
    }
  };

  private addScores({ step, scores }: Fitted): void {
    const row = this.firstStep === undefined ? 0 : step - this.firstStep;
    if (row < 0 || scores === undefined) return;
    for (let i = this.scores.length; i <= row; i++) this.scores.push(new Sample(scores.length));
    this.scores[row].add(() => scores);
  }

  /** Absent parts are not asked for. `missed` are the labels whose aim no threshold reaches. */
  get decisions(): Decisions & Pick<Confidence, 'predictions'> & { readonly missed: readonly number[] } {
    const { threshold, intervals } = this.settings;
    const chosen = threshold ? this.thresholdsFor(threshold) : [];
    return {
      predictions: this.predictions,
      ...(threshold && { thresholds: chosen.map(one => one.threshold) }),
      ...(intervals && { intervals: this.intervalsFor(intervals) }),
      missed: chosen.flatMap(({ isMet }, i) => (isMet ? [] : [i])),
    };
  }

  private thresholdsFor(aim: ThresholdAim) {
    const { kept } = this.cases;
    return Array.from({ length: kept[0]?.length ?? 0 }, (_, i) =>
      chooseThreshold(
        kept.map(one => one[i]).filter(([probability]) => !Number.isNaN(probability)),
        aim,
      ),
    );
  }

  private intervalsFor({ coverage, method, adapt }: IntervalsConfig): Decisions['intervals'] {
    const quantiles = this.scores.map(({ kept }) =>
      Array.from({ length: kept[0].length }, (_, i) => {
        const quantile = conformalQuantile(
          Float64Array.from(kept, one => one[i]),
          coverage,
        );
        return Number.isFinite(quantile) ? quantile : null;
      }),
    );
    const first = this.firstStep !== undefined && { first_step: this.firstStep };
    const scores = this.scores.map(({ kept }) => {
      const spacing = Math.ceil(kept.length / MOST_SCORES);
      const own = kept.filter((_, i) => i % spacing === 0);
      return Array.from(own[0], (_, value) => own.map(one => one[value]));
    });
    return { coverage, method, ...first, quantiles, ...(adapt !== undefined && { adapt, scores }) };
  }
}

function casesOf(isClass: boolean, { outputs, point, target }: Fitted) {
  if (isClass) return [[secondProbability(outputs), target[0] === 1] as const];
  return Array.from(point, (probability, i) => [probability, target[i] >= 0.5] as const);
}
