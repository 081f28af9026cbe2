/** What the predictions of a run rest on: measures it, and writes it to the run directory. */

import { inputWidth } from '../data/core/dataset.js';
import type { DataRecord } from '../data/core/record.js';
import type { Split, SplitName } from '../data/index.js';
import { lossOf } from '../math/losses/index.js';
import { cellOf, encoderSize, hasAttention, stepsRead } from '../math/model/spec.js';
import { traceCells } from '../math/model/trace.js';
import { type Explanation, exceedsChance } from '../run/explanation.js';
import { writeJsonAtomic } from '../run/files.js';
import { Run } from '../run/run.js';
import { Evaluator } from '../train/evaluator.js';
import type { BackendOptions } from '../train/session.js';
import { loadBatch, ShardedBatches, sizeOf } from '../train/shards.js';
import { type Diagnostic, usageError } from '../util/errors.js';
import { correlation, meanOf, percent, sumOf } from '../util/numbers.js';
import { Attributor, type Explained, type Mask, outputExplained } from './attribution.js';
import {
  type FeatureGroup,
  featureGroups,
  heldSequences,
  type ImportanceOptions,
  isInPart,
  partsOf,
  permutationImportance,
} from './importance.js';
import { type OpenModelOptions, openModel, openWithData, splitOf } from './open.js';
import type { PredictionForm, SequencePrediction } from './predictions.js';
import { type Explainer, type OpenedModel, Predictor } from './predictor.js';

export type ExplainOptions = BackendOptions &
  OpenModelOptions &
  Omit<ImportanceOptions, 'progress'> & {
    readonly split: SplitName;
    /** Maximum number of sequences whose features and parts are permuted. */
    readonly limit: number;
    /** Maximum number of sequences that are explained one by one. */
    readonly sequences: number;
  };

/** Sequences of the training split whose mean step is the reference. */
const REFERENCE = 1000;

/** @param path the run directory, as given by the user */
export async function explain(
  path: string,
  options: ExplainOptions,
  progress: (done: number, total: number) => void,
): Promise<{ readonly explanation: Explanation; readonly warnings: readonly Diagnostic[] }> {
  const { split, limit, repeats, seed } = options;
  const saved = openModel(path, options);
  const model = await openWithData(saved, options);
  try {
    const held = heldSequences(model, splitOf(model.dataset, split), limit);
    const groups = featureGroups(model, model.dataset);
    const found = await permutationImportance(model, held, groups, { repeats, seed, progress });
    const chosen = heldSequences(model, splitOf(model.dataset, split), options.sequences);
    const training = heldSequences(model, model.dataset.train, REFERENCE);
    const own = await attributions(model, chosen, groups, training);
    const { file: checkpoint, step } = saved;
    const head = { version: 1, checkpoint, step, split, sequences: held.count, repeats, seed } as const;
    const explanation: Explanation = { ...head, ...found, attributions: own };
    writeJsonAtomic(Run.open(path).directory.files.explanation, explanation);
    return { explanation, warnings: [...carriedBy(explanation, path), ...inexact(explanation, path)] };
  } finally {
    await model.pool.close();
  }
}

/** Fraction of the importance of all features from which one carries the model. */
const CARRIES = 0.9;

/** Often such a feature is known only after what it predicts. */
function carriedBy({ features }: Explanation, file: string): Diagnostic[] {
  const [{ name, scores }] = features;
  const share = (scores[0].change ?? 0) / sumOf(features.map(one => Math.max(0, one.scores[0].change ?? 0)));
  if (features.length < 2 || !exceedsChance(scores[0]) || share < CARRIES) return [];
  return [
    {
      code: 'explain/one-feature',
      message: `the feature ${name} carries the model: ${percent(share, 1)} of the importance of all features`,
      file,
      expected: 'that it is known before what it predicts, and not made from the target',
    },
  ];
}

function inexact({ attributions: { sequences } }: Explanation, file: string): Diagnostic[] {
  const errors = sequences.flatMap(({ error }) => (error > MAX_ERROR ? [error] : []));
  if (errors.length === 0) return [];
  const most = percent(Math.max(...errors), 0);
  const message = `contributions of ${errors.length} of ${sequences.length} sequences miss the difference of the outputs by up to ${most}`;
  return [{ code: 'explain/inexact', message, file, expected: `at most ${percent(MAX_ERROR, 0)}` }];
}

const MAX_ERROR = 0.01;

type Explanations = Explanation['attributions'];

/** @param split some sequences in memory @param training those whose mean step is the reference */
async function attributions(
  model: OpenedModel,
  split: Split,
  groups: readonly FeatureGroup[],
  training: Split,
): Promise<Explanations> {
  const attributor = await Attributor.open(model);
  try {
    const reference = [...attributor.meanStep(training)];
    const explainer = new SequenceExplainer(model, attributor, { groups, reference });
    const parts = partsOf(model, split);
    const attention = await attentionOf(model, split);
    const width = inputWidth(model.data.input);
    const row = new Float32Array(model.run.sequenceLength * width);
    const sequences: Explanations['sequences'][number][] = [];
    const pairs: { readonly sum: number; readonly fall: number }[][] = [];
    for await (const predictions of new Predictor(model).split(split, split.count)) {
      for (const prediction of predictions) {
        const { index } = prediction;
        split.read(index, row, 0, width);
        const length = split.lengths?.[index] ?? model.run.sequenceLength;
        const symbols = split.symbols?.(index) ?? symbolsOf(model.data, row, length);
        const found = await explainer.explain(prediction, { row, length, parts });
        const attended = attention.get(index);
        sequences.push({
          ...found.told,
          ...(attended && { attention: attended }),
          ...(await statesOf(model, split, index, length)),
          ...(symbols && { symbols: symbols.slice(0, length) }),
        });
        pairs.push(found.pairs);
      }
    }
    const both = [...groups, ...parts].map(({ name }, i) => ({
      name,
      contribution: meanOf(pairs.map(of => Math.abs(of[i].sum))),
      occlusion: meanOf(pairs.map(of => Math.abs(of[i].fall))),
    }));
    return {
      of: explainer.of,
      reference,
      agreement: correlation(
        pairs.flat().map(({ sum }) => sum),
        pairs.flat().map(({ fall }) => fall),
      ),
      groups: groups.map(({ name }) => name),
      features: both.slice(0, groups.length).toSorted((a, b) => b.contribution - a.contribution),
      parts: both.slice(groups.length),
      sequences,
    };
  } finally {
    await attributor.close();
  }
}

/** Mean weight of each step over the predicted symbols, by sequence; empty without attention. */
async function attentionOf({ run, pool }: OpenedModel, split: Split) {
  const found = new Map<number, number[]>();
  if (!hasAttention(run.spec)) return found;
  await new Evaluator(pool, run, split.count).evaluate(split, {
    observe: ({ index, predictions }) => {
      const all = predictions[0]?.decoded?.[0]?.attended ?? [];
      const [{ weights: { length = 0 } = [] } = {}] = all;
      if (length === 0) return;
      const mean = (t: number) => all.reduce((sum, { weights }) => sum + weights[t], 0) / all.length / 255;
      found.set(
        index,
        Array.from({ length }, (_, t) => rounded(mean(t))),
      );
    },
  });
  return found;
}

/** Numbers of a sequence that a page shows quickly. */
const MAX_STATES = 20_000;

/** What the recurrent layers compute for a sequence of `length` steps, if it is not too much. */
async function statesOf({ run, pool }: OpenedModel, split: Split, index: number, length: number) {
  const { spec } = run;
  const units = spec.layers.slice(0, encoderSize(spec)).flatMap(layer => {
    const { gates, states } = cellOf(layer);
    const directions = layer.settings.bidirectional ? 2 : 1;
    return directions * layer.settings.hidden_size * (gates.length + states(layer.settings).length);
  });
  if (length * units.reduce((sum, count) => sum + count, 0) > MAX_STATES) return {};
  const batches = new ShardedBatches(pool, { ...run, threads: 1 }, 1, false);
  batches.write(0, await loadBatch(split, Uint32Array.of(index)));
  const [{ batch }] = batches.shards(0);
  const inputs = Object.entries(batch.inputs).map(([name, values]) => [name, Float64Array.from(values)]);
  const traced = await traceCells(spec, lossOf(run.loss), Float64Array.from(pool.parameters), {
    ...{ ...sizeOf(batch), variableLength: run.variableLength, inputs: Object.fromEntries(inputs) },
  });
  const states = traced.flatMap(({ layer, reverse, values }) =>
    Object.entries(values).map(([name, steps]) => ({
      ...{ layer, reverse, name },
      values: Array.from(steps[0], (_, unit) =>
        steps.slice(0, stepsRead(spec.steps, length)).map(of => Number(of[unit].toFixed(3))),
      ),
    })),
  );
  return { states };
}

function symbolsOf({ input, vocabulary }: DataRecord, row: Float32Array, length: number) {
  if (input.kind !== 'symbol') return undefined;
  return Array.from(row.subarray(0, length), symbol => vocabulary?.symbols[symbol] ?? String(symbol));
}

interface SequenceRead {
  /** `[T, W]`, as a split reads it. */
  readonly row: Float32Array;
  readonly length: number;
  /** Those that are occluded, and each feature; absent: nothing. */
  readonly parts?: readonly { readonly from: number; readonly to: number }[];
}

/** Explains predictions of sequences, one by one. */
class SequenceExplainer {
  private readonly width: number;

  constructor(
    private readonly model: Pick<OpenedModel, 'run' | 'data' | 'form' | 'scaling'>,
    private readonly attributor: Attributor,
    private readonly known: {
      readonly groups: readonly FeatureGroup[];
      readonly reference: readonly number[];
    },
  ) {
    this.width = inputWidth(model.data.input);
  }

  get of(): Explanations['of'] {
    const of = outputExplained(this.model.run);
    return of === 'value' && this.unit === undefined ? 'scaled_value' : of;
  }

  /** That of the data; undefined if the targets have several scales. */
  private get unit() {
    const isValue = outputExplained(this.model.run) === 'value';
    const { scale = [1], offset = [0] } = (isValue && this.model.scaling?.targets) || {};
    return scale.every(one => one === scale[0]) ? { scale: scale[0], offset: meanOf(offset) } : undefined;
  }

  async explain(prediction: SequencePrediction, { row, length, parts }: SequenceRead) {
    const { groups, reference } = this.known;
    const { width } = this;
    const isStatic = new Set(groups.flatMap(group => (group.is_static ? group.inputs : [])));
    const masks: Mask[] =
      parts === undefined
        ? []
        : [
            ...groups.map(
              ({ inputs }): Mask =>
                (_, feature) =>
                  inputs.includes(feature),
            ),
            ...parts.map(
              (part): Mask =>
                (step, feature) =>
                  !isStatic.has(feature) && isInPart(part, step, length),
            ),
          ];
    const explained = explainedOf(prediction, this.model);
    const found = await this.attributor.attribute(row, { length, explained, reference, masks });
    const { scale, offset } = this.unit ?? { scale: 1, offset: 0 };
    const sumOf = (mask: Mask) =>
      found.values.reduce((sum, value, i) => sum + (mask(Math.floor(i / width), i % width) ? value : 0), 0);
    const steps = groups.map(({ inputs, is_static }) =>
      Array.from({ length: is_static ? 1 : length }, (_, t) =>
        rounded(scale * inputs.reduce((sum, feature) => sum + found.values[t * width + feature], 0)),
      ),
    );
    const { index, id } = prediction;
    const { output, reference: without, error } = found;
    return {
      told: {
        ...{
          index,
          ...(id !== undefined && { id }),
          predicted: textOfPrediction(prediction, this.model.form, explained),
        },
        ...{
          output: scale * output + offset,
          reference: scale * without + offset,
          error: rounded(error),
          contributions: steps,
        },
      },
      pairs: masks.map((mask, i) => ({ sum: scale * sumOf(mask), fall: scale * found.occluded[i] })),
    };
  }
}

/**
 * Returns `model` with predictions that say what contributes to them, as far as `explain` has
 * measured the run: its features and its reference.
 * @param path the run directory, as given by the user
 */
export function explaining(model: OpenedModel, path: string): OpenedModel {
  const { explanation } = Run.open(path);
  if (explanation === undefined) {
    throw usageError('predict/explain', 'predictions are explained with what `explain` has measured', {
      file: path,
      expected: `first: explain ${path}`,
    });
  }
  const { features } = explanation;
  const { reference } = explanation.attributions;
  const width = inputWidth(model.data.input);
  const opened = new Map<number, Promise<Attributor>>();
  const explainer: Explainer = {
    async explain(prediction, { split, indices, pass }, at) {
      const steps = pass.model.sequenceLength;
      const attributor = opened.get(steps) ?? Attributor.open(model, steps);
      opened.set(steps, attributor);
      const row = new Float32Array(steps * width);
      split.read(indices[at], row, 0, width);
      const length = split.lengths?.[indices[at]] ?? steps;
      const of = new SequenceExplainer(model, await attributor, { groups: features, reference });
      const { told } = await of.explain(prediction, { row, length });
      const { output, reference: without, error, contributions } = told;
      const sum = (values: readonly number[]) => rounded(sumOf(values));
      const inSteps = contributions.filter((_, g) => !features[g].is_static);
      const explanation = {
        ...{ of: of.of, output, reference: without, error },
        features: Object.fromEntries(features.map(({ name }, g) => [name, sum(contributions[g])])),
        steps: Array.from({ length }, (_, t) => sum(inSteps.map(values => values[t]))),
      };
      return { ...prediction, explanation };
    },
    async close() {
      for (const attributor of opened.values()) await (await attributor).close();
    },
  };
  return { ...model, explainer };
}

/** Five digits are enough for a picture. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

function explainedOf(
  { predictions }: SequencePrediction,
  { run, form }: Pick<OpenedModel, 'run' | 'form'>,
): Explained {
  const last = predictions[predictions.length - 1];
  const of = outputExplained(run);
  if (last.kind === 'class') {
    const classes = predictions.map(one => (one.kind === 'class' ? (one.predicted ?? -1) : -1));
    return of === 'logit' ? { output: Math.max(0, classes[0]) } : { classes };
  }
  if (last.kind === 'value') {
    return of === 'logit' ? { output: last.values.indexOf(Math.max(...last.values)) } : {};
  }
  const numberOf = (symbol: string | number | null) =>
    typeof symbol === 'string' ? (form.classNames?.indexOf(symbol) ?? -1) : (symbol ?? -1);
  return { symbols: last.symbols.map(numberOf).filter(symbol => symbol >= 0) };
}

function textOfPrediction(
  { predictions }: SequencePrediction,
  { targetNames }: PredictionForm,
  { output }: Explained,
): string {
  const texts = predictions.map(one => {
    if (one.kind === 'class') return String(one.name ?? one.predicted);
    if (one.kind === 'sequence') return one.text;
    if (output === undefined) return one.values.join(' ');
    return `${targetNames?.[output] ?? output} ${one.values[output]}`;
  });
  return texts.join(' ');
}
