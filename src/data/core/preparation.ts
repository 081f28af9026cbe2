/**
 * Preparation of steps: what turns the columns of the data, with NaN for missing values, into the
 * features of the model. It is fitted on the training split only, recorded with the run, and the
 * same for training, evaluation, new sequences and sessions:
 *
 *     fill       a missing value becomes the last one of its sequence, or a fitted value
 *     indicators 1 for a missing value, else 0, like scikit-learn's `SimpleImputer`
 *     elapsed    steps since the last step before that has a value, δ of GRU-D (Che et al., 2018):
 *                δ_0 = 0, δ_t = 1 if step t-1 has a value, else 1 + δ_(t-1)
 *     scale      see `scaling.ts`; indicators stay 0 and 1
 */
import {
  type DataRecord,
  type DataScaling,
  type Dataset,
  type DatasetContext,
  dataWidth,
  type MissingSettings,
  type NewSequence,
  type Preparation,
  type Scaling,
  type Split,
  type Targets,
} from './dataset.js';
import { type ConfigDiagnostic, configError } from './problems.js';
import { normalized, scaledSplit, scaleStep } from './scaling.js';
import { mediansOf, stepsOf, trainingColumns } from './statistics.js';
import { mappedLoad, mapSplits, packed, packedSplit } from './store.js';

/** Fills missing values of a dataset, and then scales it, as fitted or as a trained run did. */
export function prepared(
  dataset: Dataset,
  method: DataScaling['method'] | 'none' | undefined,
  context: DatasetContext,
): Dataset {
  const whole = filled(dataset, context.preparation);
  const { preparation } = whole;
  const extra = preparation ? extraFeatures(preparation) : [];
  const isFlag = (feature: number) => extra[feature - (preparation?.columns.length ?? 0)]?.kind === 'missing';
  return normalized(whole, method, context, isFlag);
}

function filled(dataset: Dataset, given: Preparation | undefined): Dataset {
  const { columnSettings, ...whole } = dataset;
  const { input, sequenceLength, columnNames } = dataset;
  const preparation = given ?? fittedTo(dataset);
  if (preparation === undefined || input.kind !== 'number') return whole;
  const { columns } = preparation;
  const extra = extraFeatures(preparation);
  const nameOf = (index: number) => columnNames?.features(index) ?? `feature ${index}`;
  return {
    ...whole,
    ...mapSplits(dataset, split => filledSplit(split, preparation, sequenceLength)),
    preparation,
    unprepared: mapSplits(dataset, split => split),
    input: { kind: 'number', size: columns.length + extra.length },
    columnNames: {
      targets: index => columnNames?.targets(index) ?? `target ${index}`,
      features(index) {
        const added = extra[index - columns.length];
        return added ? `${nameOf(added.column)} ${added.kind}` : nameOf(index);
      },
    },
  };
}

interface ExtraFeature {
  readonly column: number;
  readonly kind: 'missing' | 'elapsed';
}

/** The features that follow the columns. */
function extraFeatures({ columns }: Preparation): ExtraFeature[] {
  const of = (kind: ExtraFeature['kind'], key: 'indicator' | 'elapsed') =>
    columns.flatMap((one, column) => (one[key] ? [{ column, kind }] : []));
  return [...of('missing', 'indicator'), ...of('elapsed', 'elapsed')];
}

function fittedTo(dataset: Dataset): Preparation | undefined {
  const { input, columnSettings } = dataset;
  if (input.kind !== 'number' || columnSettings === undefined) return undefined;
  const settings = Array.from({ length: input.size }, (_, index) => columnSettings(index).missing);
  if (settings.every(missing => missing === undefined)) return undefined;
  const { train, sequenceLength } = dataset;
  const statistics = trainingColumns(dataset, true).features;
  const steps = train.lengths?.reduce((sum, length) => sum + length, 0) ?? train.count * sequenceLength;
  const counts = statistics.map(({ missing = 0 }) => steps - missing);
  const withMedian = settings.flatMap((missing, c) =>
    missing?.fill === 'median' && counts[c] > 0 ? [c] : [],
  );
  const medians = mediansOf(
    stepsOf(train, { width: input.size, sequenceLength }),
    withMedian,
    withMedian.map(c => counts[c]),
  );
  const empty: ConfigDiagnostic[] = [];
  const columns = settings.map((missing, c): Preparation['columns'][number] => {
    if (missing === undefined) return {};
    const { name, mean, missing: holes = 0 } = statistics[c];
    const value = fillValue(missing, mean, medians[withMedian.indexOf(c)] ?? Number.NaN);
    if (Number.isNaN(value)) empty.push(noValues(name));
    return {
      fill: { value, forward: (missing.fill ?? 'forward') === 'forward' },
      ...(missing.indicator && holes > 0 && { indicator: true }),
      ...(missing.elapsed && holes > 0 && { elapsed: true }),
    };
  });
  if (empty.length > 0) throw configError(...empty);
  return { columns };
}

function fillValue({ fill = 'forward' }: MissingSettings, mean: number, median: number): number {
  if (typeof fill === 'number') return fill;
  if (fill === 'zero') return 0;
  return fill === 'median' ? median : mean;
}

function noValues(name: string): ConfigDiagnostic {
  return {
    code: 'data/no-values',
    keyPath: ['dataset', 'missing'],
    message: `all values of ${name} are missing in the training split`,
    expected: '`fill: zero` or a number, or no such feature',
  };
}

/** Fills the steps of one sequence at a time. */
class Filler {
  /** Features of a filled step. */
  readonly width: number;
  private readonly extra: readonly ExtraFeature[];
  /** What replaces a missing value of each column at the next step. */
  private readonly fills: Float32Array;
  /** Steps from the last value of each column to the latest step. */
  private readonly elapsed: Float32Array;
  private isFirst = true;

  constructor(private readonly preparation: Preparation) {
    const { columns } = preparation;
    this.extra = extraFeatures(preparation);
    this.width = columns.length + this.extra.length;
    this.fills = new Float32Array(columns.length);
    this.elapsed = new Float32Array(columns.length);
    this.restart();
  }

  /** The next step is the first of a sequence. */
  restart(): void {
    for (const [c, { fill }] of this.preparation.columns.entries()) this.fills[c] = fill?.value ?? Number.NaN;
    this.elapsed.fill(0);
    this.isFirst = true;
  }

  /** Writes the step of columns at `from` of `values` to `to` of `out`. */
  step(values: Float32Array, from: number, out: Float32Array, to: number): void {
    const { extra, fills, elapsed, isFirst } = this;
    const { columns } = this.preparation;
    for (let c = 0; c < columns.length; c++) {
      const value = values[from + c];
      out[to + c] = Number.isNaN(value) ? fills[c] : value;
      if (columns[c].fill?.forward) fills[c] = out[to + c];
    }
    for (const [i, { column, kind }] of extra.entries()) {
      const isMissing = Number.isNaN(values[from + column]);
      const since = isFirst ? 0 : 1 + elapsed[column];
      out[to + columns.length + i] = kind === 'missing' ? Number(isMissing) : since;
      if (kind === 'elapsed') elapsed[column] = isMissing ? since : 0;
    }
    this.isFirst = false;
  }
}

function filledSplit(split: Split, preparation: Preparation, steps: number): Split {
  const size = preparation.columns.length;
  const values = new Float32Array(steps * size);
  const filler = new Filler(preparation);
  return {
    ...split,
    read(index, out, offset, stepStride) {
      split.read(index, values, 0, size);
      const length = split.lengths?.[index] ?? steps;
      filler.restart();
      for (let step = 0; step < steps; step++) {
        const to = offset + step * stepStride;
        if (step < length) filler.step(values, step * size, out, to);
        else out.fill(0, to, to + filler.width);
      }
    },
    ...mappedLoad(split, loaded => filledSplit(loaded, preparation, steps)),
  };
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
  const raw = packedSplit({ ...values, targets: scaledBack(targets, sequences) }, steps);
  const split = data.preparation ? filledSplit(raw, data.preparation, steps) : raw;
  return scaling === undefined ? split : scaledSplit(split, { ...scaling, targets: null }, steps);
}

/** Adds the scaling of each sequence to the targets, if sequences have their own. */
function scaledBack(targets: Targets, sequences: readonly NewSequence[]): Targets {
  if (targets.kind !== 'value' || sequences[0]?.targetScaling === undefined) return targets;
  const predictions = targets.values.length / targets.size / sequences.length;
  return {
    ...targets,
    scaling: at => {
      const { targetScaling } = sequences[Math.floor(at / predictions)];
      return (targetScaling as (step: number) => Scaling)(at % predictions);
    },
  };
}
