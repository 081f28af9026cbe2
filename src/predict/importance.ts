/**
 * Permutation importance (Breiman, "Random Forests", Machine Learning 45, 2001; for any model
 * Fisher, Rudin and Dominici, JMLR 20, 2019): how much worse the scores become if a feature, or a
 * part of the sequence, is that of another sequence.
 *
 * The floor: if a feature says nothing of the target and the other features, its own value and that
 * of another sequence are exchangeable, and the difference d_i that they make in sequence i has a
 * random sign (Fisher, "The Design of Experiments", 1935, section 21; of losses with and without a
 * feature: Watson and Wright, "Testing conditional independence in supervised learning algorithms",
 * Machine Learning 110, 2021). With random signs, the sum of all d_i has mean 0 and the variance of
 * the sum of their squares. The floor is its upper 5 % point, divided by the number of features
 * (Bonferroni). To shuffle the targets instead needs a new training (Altmann et al., "Permutation
 * importance", Bioinformatics 26, 2010): under the trained model, they measure how much the losses
 * of a model that is always wrong change, which is the more the better the model is.
 */

import { inputWidth, numberCount } from '../data/core/dataset.js';
import { range } from '../data/core/drawing.js';
import { featuresOf } from '../data/core/preparation.js';
import { firstStaticOf } from '../data/core/statistics.js';
import { packed, packedSplit, subset } from '../data/core/store.js';
import type { Dataset, Split } from '../data/index.js';
import { taskOf } from '../math/losses/index.js';
import { largerIsBetter, trainedMetrics } from '../math/metrics/index.js';
import type { Explanation, ScoreChange } from '../run/explanation.js';
import { Evaluator, evaluationRows } from '../train/evaluator.js';
import { normalQuantile } from '../util/normal.js';
import { meanOf, sumOf } from '../util/numbers.js';
import { RandomStream } from '../util/random.js';
import { ratioInterval } from '../util/statistics.js';
import type { OpenedModel } from './predictor.js';

export interface ImportanceOptions {
  readonly repeats: number;
  readonly seed: number;
  /** Called with the number of evaluations that are done. */
  readonly progress?: (done: number, total: number) => void;
}

/** Inputs of the model that are explained together. */
export type FeatureGroup = Pick<Explanation['features'][number], 'name' | 'inputs' | 'is_static'>;

/** More are joined with their neighbours: each costs several evaluations. */
const MAX_GROUPS = 48;
const PARTS = 10;
/** Maximum numbers of the sequences that are held in memory: 256 MiB in float32. */
const MAX_HELD = 2 ** 26;

/** All inputs that are made from one column of the data. */
export function featureGroups({ data, columnNames }: OpenedModel, dataset: Dataset): FeatureGroup[] {
  const { input, preparation } = data;
  const width = inputWidth(input);
  if (input.kind === 'symbol') return [{ name: 'symbol', inputs: [0], is_static: false }];
  const made = preparation && featuresOf(preparation);
  const nameOf = (feature: number) => {
    const column = made?.[feature].column ?? feature;
    const name = made
      ? (dataset.unprepared?.nameOf(column) ?? columnNames?.[column])
      : (dataset.columnNames?.features(feature) ?? columnNames?.[feature]);
    return (name ?? `feature ${column}`).replace(CALENDAR, '');
  };
  const isStatic = (feature: number) =>
    feature < numberCount(input)
      ? feature >= firstStaticOf(input)
      : input.embedded?.[feature - numberCount(input)].static === true;
  const groups = new Map<string, FeatureGroup>();
  for (let feature = 0; feature < width; feature++) {
    const name = nameOf(feature);
    const inputs = [...(groups.get(name)?.inputs ?? []), feature];
    groups.set(name, { name, inputs, is_static: isStatic(feature) });
  }
  return joined([...groups.values()]);
}

/** The sine and cosine of a part of a date are one feature. */
const CALENDAR = /\b(sin|cos) (?=(hour|day_of_week|day_of_month|day_of_year|month)$)/;

function joined(groups: readonly FeatureGroup[]): FeatureGroup[] {
  const size = Math.ceil(groups.length / MAX_GROUPS);
  if (size === 1) return [...groups];
  return Array.from({ length: Math.ceil(groups.length / size) }, (_, i) => {
    const own = groups.slice(i * size, (i + 1) * size);
    const [{ name: first }, last] = [own[0], own[own.length - 1].name];
    const name = own.length === 1 ? first : `${first} to ${last}`;
    return { name, inputs: own.flatMap(({ inputs }) => inputs), is_static: own.every(one => one.is_static) };
  });
}

/** Up to `limit` sequences of `split`, evenly spaced, in memory. */
export function heldSequences({ run, data }: OpenedModel, split: Split, limit: number): Split {
  const width = inputWidth(data.input);
  const steps = run.sequenceLength;
  const count = Math.min(split.count, limit, Math.max(1, Math.floor(MAX_HELD / (steps * width))));
  const chosen = range(count).map(i => Math.floor((i * split.count) / count));
  const { load: _, ...own } = subset(split, chosen, steps);
  const row = new Float32Array(steps * width);
  const lengths = own.lengths ?? new Int32Array(count).fill(steps);
  const rows = packed(lengths, width, (i, features) => {
    own.read(i, row, 0, width);
    features.set(row.subarray(0, features.length));
  });
  return { ...own, read: packedSplit({ ...rows, targets: own.targets }, steps).read };
}

export function partsOf({ run }: Pick<OpenedModel, 'run'>, { lengths }: Split) {
  const steps = run.sequenceLength;
  const isFixed = !lengths || lengths.every(length => length === steps);
  const count = Math.min(PARTS, steps);
  return Array.from({ length: count > 1 ? count : 0 }, (_, i) => {
    const [from, to] = [i / count, (i + 1) / count];
    const [first, last] = [Math.ceil(from * steps), Math.ceil(to * steps) - 1];
    const ofSteps = first === last ? `step ${first}` : `steps ${first} to ${last}`;
    const name = isFixed ? ofSteps : `${Math.round(100 * from)} to ${Math.round(100 * to)} %`;
    return { name, from, to };
  });
}

/** Whether step `step` of a sequence of `length` steps lies in a part. */
export function isInPart(
  { from, to }: { readonly from: number; readonly to: number },
  step: number,
  length: number,
) {
  return step >= Math.ceil(from * length) && step < Math.ceil(to * length);
}

interface Change {
  readonly inputs: readonly number[];
  isChanged(step: number, length: number): boolean;
}

/** Sums of each score over the predictions of each sequence, and their weights. */
interface Measured {
  readonly sums: readonly Float64Array[];
  readonly weights: readonly Float64Array[];
}

/** @param split sequences in memory, see {@link heldSequences} */
export async function permutationImportance(
  model: OpenedModel,
  split: Split,
  groups: readonly FeatureGroup[],
  { repeats, seed, progress }: ImportanceOptions,
): Promise<Pick<Explanation, 'features' | 'parts' | 'scores'>> {
  const { run, pool, data, experiment } = model;
  // each sequence is explained by itself
  const ofSequences = { ...run, spec: { ...run.spec, carriesState: false } };
  const evaluator = new Evaluator(
    pool,
    ofSequences,
    evaluationRows(ofSequences, experiment.training, split.count),
  );
  const metrics = trainedMetrics(taskOf(run.loss), run.metrics);
  const names = ['loss', ...metrics.map(([name]) => name)];
  const units = unitsOf(model, split);
  const measure = async (of: Split): Promise<Measured> => {
    const empty = () => names.map(() => new Float64Array(split.count));
    const [sums, weights] = [empty(), empty()];
    await evaluator.evaluate(of, {
      observe: ({ index, predictions }) => {
        for (const prediction of predictions) {
          if (!prediction.counts) continue;
          if (prediction.weight > 0) sums[0][index] += prediction.loss;
          weights[0][index] += prediction.weight;
          metrics.forEach(([, metric], m) => {
            sums[m + 1][index] += metric(prediction);
            weights[m + 1][index]++;
          });
        }
      },
    });
    return { sums, weights };
  };
  const width = inputWidth(data.input);
  const parts = partsOf(model, split);
  const random = RandomStream.of(seed, 'explain');
  const order = () => random.shuffle(range(split.count));
  const total = 1 + (groups.length + parts.length) * repeats;
  let done = 0;
  const counted = async (of: Split): Promise<Measured> => {
    const found = await measure(of);
    progress?.(++done, total);
    return found;
  };
  const base = await counted(split);
  /** @param rows rows of the table that shows this change */
  const changeOf = async (change: Change, rows: readonly unknown[]): Promise<ScoreChange[]> => {
    const permuted = () => permutedSplit(split, { width, steps: run.sequenceLength }, order(), change);
    const all: Measured[] = [];
    for (let i = 0; i < repeats; i++) all.push(await counted(permuted()));
    const z = normalQuantile(1 - 0.05 / rows.length);
    return names.map((score, k) => {
      const sign = largerIsBetter(score) ? -1 : 1;
      const changes = Array.from(
        base.sums[k],
        (sum, i) => sign * (meanOf(all.map(one => one.sums[k][i])) - sum),
      );
      const { ratio, low, high } = ratioInterval(units.sumsOf(changes), units.sumsOf(base.weights[k]));
      const floor = (z * Math.sqrt(sumOf(changes.map(one => one ** 2)))) / sumOf(base.weights[k]);
      return { score, change: known(ratio), low: known(low), high: known(high), floor: known(floor) };
    });
  };
  const features: Explanation['features'][number][] = [];
  for (const group of groups) {
    const scores = await changeOf({ inputs: group.inputs, isChanged: () => true }, groups);
    features.push({ ...group, scores });
  }
  const inputs = groups.flatMap(group => (group.is_static ? [] : group.inputs));
  const ofParts: Explanation['parts'][number][] = [];
  for (const part of parts) {
    const isChanged = (step: number, length: number) => isInPart(part, step, length);
    ofParts.push({ ...part, scores: await changeOf({ inputs, isChanged }, parts) });
  }
  const lossOf = ({ scores: [{ change }] }: (typeof features)[number]) => change ?? Number.NEGATIVE_INFINITY;
  return {
    scores: names.map((score, k) => ({
      score,
      value: known(sumOf(base.sums[k]) / sumOf(base.weights[k])),
    })),
    features: features.toSorted((a, b) => lossOf(b) - lossOf(a)),
    parts: ofParts,
  };
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Sequences, or the groups of a split that has whole groups. */
function unitsOf({ experiment }: OpenedModel, { count, valueIn }: Split) {
  const { group } = Object(Object(experiment.dataset).test);
  const numbers = new Map<string, number>();
  const of = Array.from({ length: count }, (_, i) => {
    const unit = group === undefined ? String(i) : String(valueIn?.(group, i));
    if (!numbers.has(unit)) numbers.set(unit, numbers.size);
    return numbers.get(unit) as number;
  });
  const sumsOf = (values: ArrayLike<number>): number[] => {
    const sums = new Array<number>(numbers.size).fill(0);
    for (const [i, unit] of of.entries()) sums[unit] += values[i];
    return sums;
  };
  return { sumsOf };
}

/**
 * `split` with some values of the sequences `donors` instead of its own. Step t of a sequence takes
 * the step at the same fraction of its donor, which may be longer or shorter.
 */
function permutedSplit(
  split: Split,
  { width, steps }: { readonly width: number; readonly steps: number },
  donors: Uint32Array,
  { inputs, isChanged }: Change,
): Split {
  const donor = new Float32Array(steps * width);
  const lengthOf = (index: number) => split.lengths?.[index] ?? steps;
  return {
    ...split,
    read(index, out, offset, stride) {
      split.read(index, out, offset, stride);
      split.read(donors[index], donor, 0, width);
      const [length, given] = [lengthOf(index), lengthOf(donors[index])];
      for (let t = 0; t < length; t++) {
        if (!isChanged(t, length)) continue;
        const from = Math.floor((t * given) / length) * width;
        for (const f of inputs) out[offset + t * stride + f] = donor[from + f];
      }
    },
  };
}
