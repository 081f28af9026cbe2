/** Fits temperatures, thresholds and intervals on the predictions of the validation split. */
import type { Experiment } from '../config/index.js';
import { conformalQuantile, type IntervalsConfig } from '../math/confidence/conformal.js';
import { chooseThreshold, type ThresholdAim } from '../math/confidence/threshold.js';
import type { Scored } from '../math/metrics/metric.js';
import type { Confidence, Decisions } from '../tasks/core/confidence.js';
import type { PredictedSequence, Prediction } from '../tasks/core/prediction.js';
import type { Calibration, CalibrationCase } from '../tasks/core/task.js';
import { partsOf } from '../tasks/index.js';
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

/** Collects predictions; fits a temperature for all classes or symbols, or one for each label. */
export class TemperatureFit {
  private readonly sample: Sample<CalibrationCase>;
  private readonly calibration: Calibration;

  /** @throws if the config was not checked: the task has nothing to calibrate */
  constructor(private readonly run: Pick<ModelRun, 'loss' | 'spec'>) {
    const { calibration } = partsOf(run.loss);
    if (!calibration) throw new Error(`loss ${run.loss.kind} has no probabilities to calibrate`);
    this.calibration = calibration;
    this.sample = new Sample(run.spec.outputSize);
  }

  readonly add = ({ predictions }: PredictedSequence): void => {
    const { outputSize } = this.run.spec;
    for (const prediction of predictions) {
      if (!prediction.counts || !prediction.outputs.every(Number.isFinite)) continue;
      for (const make of this.calibration.casesOf(prediction, outputSize)) this.sample.add(make);
    }
  };

  /** Undefined if all predictions are right. */
  get temperatures(): readonly (number | undefined)[] {
    return this.calibration.temperatures(this.sample.kept, this.run.spec.outputSize);
  }
}

type Fitted = Scored & Pick<Prediction, 'step' | 'counts' | 'scores'>;

/** Collects calibrated predictions, from which it fits thresholds and intervals. */
export class DecisionFit {
  private readonly cases: Sample<readonly (readonly [probability: number, isPositive: boolean])[]>;
  /** By step of the horizon. */
  private readonly scores: Sample<Float64Array>[] = [];
  private predictions = 0;
  private readonly positives: ReturnType<typeof partsOf>['positives'];

  /** @param firstStep of the horizon, if a forecast has a prediction at each step */
  constructor(
    run: Pick<ModelRun, 'loss' | 'spec'>,
    private readonly settings: ConfidenceSettings,
    private readonly firstStep: number | undefined,
  ) {
    this.cases = new Sample(run.spec.outputSize);
    this.positives = partsOf(run.loss).positives;
  }

  readonly add = ({ predictions }: { readonly predictions: readonly Fitted[] }): void => {
    const { threshold, intervals } = this.settings;
    for (const prediction of predictions) {
      if (!prediction.counts) continue;
      this.predictions++;
      if (threshold) this.cases.add(() => this.positives?.(prediction) ?? []);
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
      ...(threshold && { thresholds: chosen.map(decision => decision.threshold) }),
      ...(intervals && { intervals: this.intervalsFor(intervals) }),
      missed: chosen.flatMap(({ isMet }, i) => (isMet ? [] : [i])),
    };
  }

  private thresholdsFor(aim: ThresholdAim) {
    const { kept } = this.cases;
    return Array.from({ length: kept[0]?.length ?? 0 }, (_, i) =>
      chooseThreshold(
        kept.map(cases => cases[i]).filter(([probability]) => !Number.isNaN(probability)),
        aim,
      ),
    );
  }

  private intervalsFor({ coverage, method, adapt }: IntervalsConfig): NonNullable<Decisions['intervals']> {
    const quantiles = this.scores.map(({ kept }) =>
      Array.from({ length: kept[0].length }, (_, i) => {
        const quantile = conformalQuantile(
          Float64Array.from(kept, row => row[i]),
          coverage,
        );
        return Number.isFinite(quantile) ? quantile : null;
      }),
    );
    const first = this.firstStep !== undefined && { first_step: this.firstStep };
    const scores = this.scores.map(({ kept }) => {
      const spacing = Math.ceil(kept.length / MOST_SCORES);
      const spaced = kept.filter((_, i) => i % spacing === 0);
      return Array.from(spaced[0], (_, value) => spaced.map(row => row[value]));
    });
    return { coverage, method, ...first, quantiles, ...(adapt !== undefined && { adapt, scores }) };
  }
}
