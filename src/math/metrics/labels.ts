/**
 * Metrics of several independent labels, from their probabilities p and targets y between 0 and 1.
 */
import type { LabelsMetric, TrainedMetric } from '../../config/index.js';
import { type ClassScores, Counts } from './counts.js';
import { type Accumulator, meanOfDefined, type PredictionMetric, type Scored } from './metric.js';
import { Ranking } from './ranking.js';

/** A label applies if its target or probability is at least this. */
const APPLIES = 0.5;

/** Metrics that are means of one value per prediction. */
export const labelsMeans: Readonly<Record<Extract<LabelsMetric, TrainedMetric>, PredictionMetric>> = {
  // NaN is never correct
  accuracy({ point, target }) {
    let right = 0;
    for (let i = 0; i < target.length; i++) {
      if (!Number.isNaN(point[i]) && point[i] >= APPLIES === target[i] >= APPLIES) right++;
    }
    return right / target.length;
  },
};

export const labelsMetrics: Readonly<
  Record<Exclude<LabelsMetric, TrainedMetric>, (labels: number) => Accumulator>
> = {
  precision: macro('precision'),
  recall: macro('recall'),
  f1: macro('f1'),
  auroc: eachLabel('rocArea'),
  average_precision: eachLabel('averagePrecision'),
};

/** Counts each label of a prediction. */
export function addLabels(counts: Counts, { point, target }: Pick<Scored, 'point' | 'target'>): void {
  for (let i = 0; i < target.length; i++) counts.addLabel(i, target[i] >= APPLIES, point[i] >= APPLIES);
}

/** Mean over all labels. */
function macro(score: keyof ClassScores): (labels: number) => Accumulator {
  return labels => {
    const counts = new Counts(labels);
    let count = 0;
    return {
      add(prediction) {
        count++;
        addLabels(counts, prediction);
      },
      get value() {
        return count === 0 ? undefined : meanOfDefined(counts.scores.map(scores => scores[score]));
      },
    };
  };
}

/** Mean over the labels for which the score is defined. */
function eachLabel(score: 'rocArea' | 'averagePrecision'): (labels: number) => Accumulator {
  return labels => {
    const areas = Array.from({ length: labels }, () => new Ranking());
    return {
      // logits distinguish more values than probabilities, which saturate at 1
      add: ({ outputs, target }) =>
        areas.forEach((area, i) => void area.add(outputs[i], target[i] >= APPLIES)),
      get value() {
        return meanOfDefined(areas.map(area => area[score]));
      },
    };
  };
}
