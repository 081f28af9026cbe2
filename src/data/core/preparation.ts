/**
 * Preparation of steps: what turns the columns of the data, with NaN for missing values, into the
 * features of the model. It is fitted on the training split only, recorded with the run, and the
 * same for training, evaluation, new sequences and sessions:
 *
 *     categories one feature for each value, like scikit-learn's
 *                `OneHotEncoder(handle_unknown='ignore')`; or the number of the value, which the
 *                model embeds
 *     fill       a missing value becomes the last one of its sequence, or a fitted value
 *     indicators 1 for a missing value, else 0, like scikit-learn's `SimpleImputer`
 *     elapsed    time since the last step before that has a value, δ of GRU-D (Che et al., 2018):
 *                δ_0 = 0, δ_t = s_t - s_(t-1), + δ_(t-1) if step t-1 has no value; s_t is the time
 *                of step t in the order column, or t without one
 *     scale      see `scaling.ts`; features of 0 and 1 stay as they are
 */

import { counted } from '../../util/words.js';
import { NUMBER } from '../formats/numbers.js';
import type { ColumnSettings } from './columns.js';
import {
  type Column,
  type Dataset,
  type DatasetContext,
  dataWidth,
  NAIVE_FORECASTS,
  type NewSequence,
  type Split,
} from './dataset.js';
import { type ConfigDiagnostic, configError } from './problems.js';
import type { DataRecord, DataScaling, Preparation, Scaling } from './record.js';
import { normalized, scaledSplit, scaleStep } from './scaling.js';
import { firstStaticOf, mediansOf, type Rows, stepsOf, trainingColumns } from './statistics.js';
import { changedSplit, mapSplits, packed, packedSplit } from './store.js';
import type { Targets } from './targets.js';

/** Fills missing values of a dataset, and then scales it, as fitted or as a trained run did. */
export function prepared(
  dataset: Dataset,
  method: DataScaling['method'] | 'none' | undefined,
  context: DatasetContext,
): Dataset {
  const { columnNames } = dataset;
  const nameOf = (column: number) => columnNames?.features(column) ?? `feature ${column}`;
  refuseOthers(context.preparation?.columns.length, dataset.input);
  const preparation = context.preparation ?? fittedTo(dataset);
  const coded = preparation ? withCategories(dataset, preparation) : dataset;
  const whole = preparation ? filled(coded, preparation, nameOf) : coded;
  const features = whole.preparation ? featuresOf(whole.preparation) : [];
  // each series has scaled its own columns and targets
  const isScaled = dataset.seriesScaling !== undefined;
  if (preparation === undefined) refuseOthers(context.scaling?.features?.offset.length, dataset.input);
  const isFlag = (feature: number) =>
    (isScaled && feature < firstStaticOf(whole.input)) ||
    ['category', 'missing'].includes(features[feature]?.kind);
  const hasScaledTargets = isScaled || context.hasLabelTargets === true;
  return {
    ...normalized(whole, method, { ...context, hasLabelTargets: hasScaledTargets }, isFlag),
    unprepared: { splits: mapSplits(coded, split => split), nameOf },
  };
}

/** @param count of the columns that the trained run prepares or scales */
function refuseOthers(count: number | undefined, input: Dataset['input']): void {
  if (count === undefined || input.kind !== 'number' || input.size === count) return;
  throw configError({
    code: 'data/scaling',
    keyPath: ['model', 'init_from'],
    message: 'the scaling of these weights is of another number of features',
    expected: counted(count, 'feature'),
    got: counted(input.size, 'feature'),
  });
}

/** With the numbers of categories in place of the codes of texts; -1 for an unknown one. */
function withCategories(dataset: Dataset, { columns }: Preparation): Dataset {
  const { columnSettings, ...whole } = dataset;
  const codes = columns.map(({ categories }, c) => {
    const places = new Map(categories?.map((text, place) => [text, place]));
    return categories && columnSettings?.(c).categories?.map(text => places.get(text) ?? -1);
  });
  const coded = (split: Split): Partial<Split> => ({
    read(index, out, offset, stepStride) {
      split.read(index, out, offset, stepStride);
      const length = split.lengths?.[index] ?? dataset.sequenceLength;
      for (const [c, places] of codes.entries()) {
        if (places === undefined) continue;
        for (let step = 0, at = offset + c; step < length; step++, at += stepStride) {
          if (!Number.isNaN(out[at])) out[at] = places[out[at]] ?? -1;
        }
      }
    },
  });
  return { ...whole, ...mapSplits(dataset, split => changedSplit(split, coded)) };
}

function filled(dataset: Dataset, preparation: Preparation, nameOf: (column: number) => string): Dataset {
  const { sequenceLength, columnNames } = dataset;
  const features = featuresOf(preparation);
  const embedded = preparation.columns.flatMap(
    ({ categories = [], embedding_size: size, static: isStatic }) =>
      size === undefined ? [] : [{ count: categories.length + 1, size, ...(isStatic && { static: true }) }],
  );
  const staticCount = features.filter(
    ({ column, kind }) => kind !== 'number' && preparation.columns[column].static,
  ).length;
  return {
    ...dataset,
    ...mapSplits(dataset, split => filledSplit(split, preparation, sequenceLength)),
    preparation,
    input: {
      kind: 'number',
      size: features.length,
      ...(staticCount > 0 && { static: staticCount }),
      ...(embedded.length > 0 && { embedded }),
    },
    columnNames: {
      targets: index => columnNames?.targets(index) ?? `target ${index}`,
      features: index => featureName(features[index], preparation, nameOf),
    },
  };
}

export interface Feature {
  /** Index of its column. */
  readonly column: number;
  readonly kind: 'value' | 'category' | 'missing' | 'elapsed' | 'number';
  /** Index of the category for which it is 1. */
  readonly category?: number;
}

export function featureName(
  { column, kind, category = -1 }: Feature,
  preparation: Preparation | undefined,
  nameOf: (column: number) => string,
): string {
  if (kind === 'value' || kind === 'number') return nameOf(column);
  const text = preparation?.columns[column].categories?.[category] ?? MISSING;
  return text === MISSING
    ? `${nameOf(column)} ${kind === 'elapsed' ? kind : 'missing'}`
    : `${nameOf(column)} = ${text}`;
}

export function featuresOf({ columns }: Preparation): Feature[] {
  const of = (isStatic: boolean): Feature[] => {
    const each = (features: (column: Preparation['columns'][number], index: number) => Feature[]) =>
      columns.flatMap((one, index) => ((one.static ?? false) === isStatic ? features(one, index) : []));
    const own = each(({ categories, embedding_size, time }, column) => {
      if (time) return [];
      if (categories === undefined) return [{ column, kind: 'value' }];
      if (embedding_size !== undefined) return [];
      return categories.map((_, category) => ({ column, kind: 'category', category }));
    });
    const added = (kind: 'missing' | 'elapsed', key: 'indicator' | 'elapsed') =>
      each((one, column) => (one[key] ? [{ column, kind }] : []));
    return [...own, ...added('missing', 'indicator'), ...added('elapsed', 'elapsed')];
  };
  const embedded = columns.flatMap(({ embedding_size }, column): Feature[] =>
    embedding_size === undefined ? [] : [{ column, kind: 'number' }],
  );
  return [...of(false), ...of(true), ...embedded];
}

function fittedTo(dataset: Dataset): Preparation | undefined {
  const { input, columnSettings } = dataset;
  if (input.kind !== 'number' || columnSettings === undefined) return undefined;
  const settings = Array.from({ length: input.size }, (_, index) => columnSettings(index));
  if (settings.every(({ missing, categories }) => !missing && !categories)) return undefined;
  const { train, sequenceLength } = dataset;
  const rows = stepsOf(train, { width: input.size, sequenceLength });
  const known = categoriesOf(rows, settings);
  const statistics = trainingColumns(dataset, true).features;
  const columns = filledColumns(rows, settings, statistics, firstStaticOf(input));
  return {
    columns: columns.map((column, c) => {
      const { embedding, isStatic, isTime } = settings[c];
      return {
        ...(known[c] ? { categories: known[c] } : column),
        ...(embedding && { embedding_size: embedding.size }),
        ...(isTime && { time: true }),
        ...(isStatic && { static: true }),
      };
    }),
  };
}

/**
 * Fits what replaces missing values.
 * @param rows of the training split
 * @param statistics of their columns
 */
export function filledColumns(
  rows: Rows,
  settings: readonly ColumnSettings[],
  statistics: readonly Column[],
  firstStatic = settings.length,
): Preparation['columns'] {
  const values = fillValues(rows, settings, statistics, firstStatic);
  const empty = statistics.filter((_, c) => settings[c].missing && Number.isNaN(values[c]));
  if (empty.length > 0) throw configError(...empty.map(({ name }) => noValues(name)));
  let [steps, sequences] = [0, 0];
  rows((_values, _at, step = 0) => {
    steps++;
    if (step === 0) sequences++;
  });
  return settings.map(({ missing }, c) => {
    if (missing === undefined) return {};
    const { missing: holes = 0 } = statistics[c];
    const fraction = holes / (c < firstStatic ? steps : sequences);
    return {
      fill: {
        value: values[c],
        forward: (missing.fill ?? 'forward') === 'forward',
        ...(holes > 0 && { missing: fraction }),
      },
      ...(missing.indicator && holes > 0 && { indicator: true }),
      ...(missing.elapsed && holes > 0 && { elapsed: true }),
    };
  });
}

/** What replaces missing values of each column; NaN if it has no values. */
export function fillValues(
  rows: Rows,
  settings: readonly ColumnSettings[],
  statistics: readonly Column[],
  firstStatic = settings.length,
): number[] {
  const withMedian = settings.flatMap(({ missing }, c) => (missing?.fill === 'median' ? [c] : []));
  const medians = mediansOf(rows, withMedian, firstStatic);
  return settings.map(({ missing: { fill = 'forward' } = {} }, c) => {
    if (typeof fill === 'number') return fill;
    if (fill === 'zero') return 0;
    return fill === 'median' ? medians[withMedian.indexOf(c)] : statistics[c].mean;
  });
}

/** Maximum number of features that a column of categories has, and of its vectors. */
const MAX_CATEGORIES = 1024;
const MAX_EMBEDDED = 2 ** 20;

/** The categories of the training split, in order, of each column that has any. */
function categoriesOf(rows: Rows, settings: readonly ColumnSettings[]): (string[] | undefined)[] {
  const counts = settings.map(({ categories }) => categories && new Map<number, number>());
  if (counts.some(used => used !== undefined))
    rows((values, at, step = 0) => {
      for (const [c, used] of counts.entries())
        if (step === 0 || !settings[c].isStatic)
          used?.set(values[at + c], (used.get(values[at + c]) ?? 0) + 1);
    });
  const tooMany: ConfigDiagnostic[] = [];
  const sorted = settings.map(({ categories, embedding, keyPath = ['dataset', 'features'] }, c) => {
    const used = counts[c];
    if (used === undefined || categories === undefined) return undefined;
    const known = [...used].flatMap(([code, count]) => (count < (embedding?.minCount ?? 1) ? [] : [code]));
    const most = embedding ? MAX_EMBEDDED : MAX_CATEGORIES;
    if (known.length > most)
      tooMany.push({
        code: 'data/categories',
        keyPath,
        message: `the column has too many values to encode each as a ${embedding ? 'vector' : 'feature'}`,
        expected: `at most ${most} different values${embedding ? '' : ', or `encode: embedding`'}`,
        got: String(known.length),
      });
    return inOrder(known.map(code => categories[code] ?? MISSING));
  });
  if (tooMany.length > 0) throw configError(...tooMany);
  return sorted;
}

/** The category of a missing value. */
const MISSING = '';

/** Numbers by value, or texts; a missing value is the last. */
function inOrder(categories: readonly string[]): string[] {
  const present = categories.filter(text => text !== MISSING);
  const isNumeric = present.every(text => NUMBER.test(text));
  const sorted = isNumeric ? present.sort((a, b) => Number(a) - Number(b)) : present.sort();
  return present.length < categories.length ? [...sorted, MISSING] : sorted;
}

function noValues(name: string): ConfigDiagnostic {
  return {
    code: 'data/no-values',
    keyPath: ['dataset', 'missing'],
    message: `all values of ${name} are missing in the training split`,
    expected: '`fill: zero` or a number, or no such feature',
  };
}

type Values = Float32Array | Float64Array;

/** Prepares the steps of one sequence at a time. */
export class Filler {
  private readonly features: readonly Feature[];
  private readonly fitted: readonly number[];
  /** What replaces a missing value of each column at the next step. */
  private readonly fills: Float64Array;
  /** Time from the last value of each column to the latest step. */
  private readonly elapsed: Float32Array;
  private isFirst = true;
  /** The column with the time since the step before; -1 if all steps are one apart. */
  private readonly time: number;
  /** The category of a missing value of each column; -1 if there is none. */
  private readonly holes: readonly number[];

  constructor(private readonly preparation: Preparation) {
    const { columns } = preparation;
    this.features = featuresOf(preparation);
    this.time = columns.findIndex(({ time }) => time);
    this.holes = columns.map(({ categories = [] }) => categories.indexOf(MISSING));
    this.fitted = columns.map(({ fill }) => fill?.value ?? Number.NaN);
    this.fills = new Float64Array(columns.length);
    this.elapsed = new Float32Array(columns.length);
    this.restart();
  }

  /** Features of a prepared step. */
  get width(): number {
    return this.features.length;
  }

  /** The next step is the first of a sequence. @param fills replace the fitted values */
  restart(fills: ArrayLike<number> = this.fitted): void {
    this.fills.set(fills);
    this.elapsed.fill(0);
    this.isFirst = true;
  }

  /** Writes the step of columns at `from` of `values` to `to` of `out`. */
  step(values: Values, from: number, out: Values, to: number): void {
    const { features, fills, elapsed, isFirst, time } = this;
    const passed = time < 0 ? 1 : values[from + time];
    for (let f = 0; f < features.length; f++) {
      const { column, kind, category } = features[f];
      const value = values[from + column];
      const isMissing = Number.isNaN(value);
      if (kind === 'value') {
        out[to + f] = isMissing ? fills[column] : value;
        if (this.preparation.columns[column].fill?.forward) fills[column] = out[to + f];
      } else if (kind === 'category') out[to + f] = Number(category === this.categoryOf(column, value));
      else if (kind === 'number') out[to + f] = this.categoryOf(column, value) + 1;
      else if (kind === 'missing') out[to + f] = Number(isMissing);
      else {
        out[to + f] = isFirst ? 0 : passed + elapsed[column];
        elapsed[column] = isMissing ? out[to + f] : 0;
      }
    }
    this.isFirst = false;
  }

  /** Index of a category; -1 for one that the training split does not have. */
  private categoryOf(column: number, value: number): number {
    return Number.isNaN(value) ? this.holes[column] : value;
  }
}

function filledSplit(split: Split, preparation: Preparation, steps: number): Split {
  const size = preparation.columns.length;
  const values = new Float32Array(steps * size);
  const filler = new Filler(preparation);
  return changedSplit(split, ({ read, lengths }) => ({
    read(index, out, offset, stepStride, draw) {
      read(index, values, 0, size, draw);
      const length = lengths?.[index] ?? steps;
      filler.restart();
      for (let step = 0; step < steps; step++) {
        const to = offset + step * stepStride;
        if (step < length) filler.step(values, step * size, out, to);
        else out.fill(0, to, to + filler.width);
      }
    },
  }));
}

/** What a run fitted to prepare its data. */
interface Stage {
  readonly data: Pick<DataRecord, 'input' | 'preparation'>;
  readonly scaling: DataScaling | undefined;
}

/** Prepares the steps of a sequence that is not known as a whole. */
export class StepPreparer {
  private readonly filler: Filler | undefined;

  constructor(private readonly stage: Stage) {
    const { preparation } = stage.data;
    this.filler = preparation && new Filler(preparation);
  }

  /** @param values the columns of the step; may be overwritten */
  step(values: Float32Array): Float32Array {
    const { filler } = this;
    const { scaling } = this.stage;
    const out = filler ? new Float32Array(filler.width) : values;
    filler?.step(values, 0, out, 0);
    if (scaling?.features) scaleStep(out, 0, scaling.features);
    return out;
  }

  restart(): void {
    this.filler?.restart();
  }
}

interface SplitOptions extends Stage {
  /** T, at least the length of the longest sequence. */
  readonly steps: number;
  readonly targets: Targets;
}

/** Builds a split from new sequences, prepared like the training data. */
export function newSplit(
  sequences: readonly NewSequence[],
  { data, steps, scaling, targets }: SplitOptions,
): Split {
  const lengths = Int32Array.from(sequences, ({ length }) => length);
  const values = packed(lengths, dataWidth(data), (i, out) => out.set(sequences[i].values));
  const raw: Split = {
    ...packedSplit({ ...values, targets: scaledBack(targets, sequences) }, steps),
    // also if all are equal, since a batch may be longer than the data of the run
    lengths,
    errorScale: index => sequences[index].errorScale,
    ...(sequences[0]?.naive && { naive: naiveOf(targets, sequences) }),
  };
  const split = data.preparation ? filledSplit(raw, data.preparation, steps) : raw;
  return scaling === undefined ? split : scaledSplit(split, { ...scaling, targets: null }, steps);
}

function naiveOf(targets: Targets, sequences: readonly NewSequence[]): Split['naive'] {
  const predictions = countOf(targets) / sequences.length;
  const forecasts = NAIVE_FORECASTS.map(name => {
    const forecast = (at: number) => sequences[Math.floor(at / predictions)].naive?.(name, at % predictions);
    return [name, forecast] as const;
  });
  return Object.fromEntries(forecasts);
}

function countOf(targets: Targets): number {
  return targets.values.length / (targets.kind === 'value' ? targets.size : 1);
}

/** Adds the scaling of each sequence to the targets, if sequences have their own. */
function scaledBack(targets: Targets, sequences: readonly NewSequence[]): Targets {
  if (targets.kind !== 'value' || sequences[0]?.targetScaling === undefined) return targets;
  const predictions = countOf(targets) / sequences.length;
  return {
    ...targets,
    scaling: at => {
      const { targetScaling } = sequences[Math.floor(at / predictions)];
      return (targetScaling as (step: number) => Scaling)(at % predictions);
    },
  };
}
