/**
 * Turns new sequences into predictions, a batch at a time. Everything that this reads is data or
 * computes without Node, so that a model runs wherever its kernels do.
 */

import type { ValueReaders } from '../data/core/columns.js';
import {
  dataWidth,
  inputWidth,
  type NewSequence,
  type RecordingReader,
  type SampleReader,
  type SeriesReader,
  staticWidth,
} from '../data/core/dataset.js';
import { doubtsOf, type ReadColumn } from '../data/core/doubts.js';
import { featuresOf, newSplit } from '../data/core/preparation.js';
import type { DataRecord, DataScaling } from '../data/core/record.js';
import { IGNORED, symbolsOfTarget, type Targets } from '../data/core/targets.js';
import type { ProgramCompiler } from '../engine/linked-executable.js';
import { isImpossible } from '../math/losses/ctc.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { stepsRead } from '../math/model/spec.js';
import { Readouts } from '../tasks/readouts.js';
import { evaluationRows } from '../train/evaluator.js';
import { type ModelRun, type ShardComputers, ShardedBatches, type SplitBatch } from '../train/shards.js';
import { type Diagnostic, damagedErrors, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import {
  classMemory,
  type Prediction,
  type PredictionForm,
  predictionOf,
  type SequencePrediction,
  stepsOf,
  symbolsPrediction,
} from './predictions.js';

/** Maximum number of steps of a sequence; an LSTM of 128 units takes 1 GB for that many. */
const MAX_STEPS = 2 ** 18;

/** Maximum number of input values in a batch if its sequences are longer than those of the run. */
const MAX_BATCH_NUMBERS = 2 ** 22;

/**
 * Rows for new sequences after training with smaller batches: many sequences take about as long as
 * with more rows, and one alone takes as long as all rows.
 */
const NEW_ROWS = 32;

export type Placed = NewSequence & { readonly position: number };

export interface PredictedBatch extends SplitBatch {
  readonly rows: readonly (Pick<
    Placed,
    'position' | 'id' | 'symbols' | 'times' | 'history' | 'window' | 'isPast' | 'warnings'
  > & {
    /** Steps that are not padding; absent: the length of the sequence. */
    readonly steps?: number | undefined;
  })[];
  readonly hasLabels: boolean;
  readonly pass: ShardedBatches;
}

/** A model with its weights, and what it knows of its data. */
export interface LoadedModel {
  readonly run: ModelRun;
  readonly pool: ShardComputers & { readonly engine: ProgramCompiler };
  readonly training: Parameters<typeof evaluationRows>[1];
  readonly data: DataRecord;
  readonly scaling: DataScaling | undefined;
  readonly form: PredictionForm;
  /** Of steps that a program passes. */
  readonly readers: ValueReaders | undefined;
  /**
   * Returns how samples become steps; undefined if the model does not read recordings.
   * @throws UserError (exit 2) if it reads only whole recordings
   */
  samples(): SampleReader | undefined;
  /** Of series that a program passes; absent if the model does not forecast. */
  readonly series?: SeriesReader | undefined;
  /**
   * Returns what reads whole recordings; undefined if the model does not read recordings.
   * @throws UserError (exit 2) if it scales several of them together
   */
  recordings(): RecordingReader | undefined;
  /** Name of each column of new sequences; absent if they have none. */
  readonly columnNames?: readonly string[] | undefined;
  /** Maximum number of steps of a sequence; absent if memory is the limit. */
  readonly maxSteps?: number | undefined;
}

/** Predicts new sequences in batches. */
export class SequencePredictor<M extends LoadedModel = LoadedModel> {
  readonly form: PredictionForm;
  private readonly columns: readonly ReadColumn[];
  private readonly passes = new Map<string, ShardedBatches>();
  protected readouts: Readouts;

  constructor(protected readonly model: M) {
    this.form = model.form;
    this.columns = readColumns(model);
    this.readouts = new Readouts(model.run);
  }

  /** Predicts one sequence. @throws UserError (exit 5) if it does not fit the model */
  async one(sequence: NewSequence): Promise<SequencePrediction> {
    const problems = this.unfit(sequence);
    if (problems.length > 0) throw damagedErrors(problems);
    const batch = this.batchOf([this.placed(sequence, sequence.position ?? 0)]);
    await batch.pass.run(0, batch);
    return this.predictionsOf(batch, 0)[0];
  }

  protected resetStates(): void {
    for (const pass of this.passes.values()) pass.resetStates();
  }

  /** The predictions for the rows of a batch that is computed in `slot`. */
  protected predictionsOf(batch: PredictedBatch, slot: number): readonly SequencePrediction[] {
    const { form, model } = this;
    const { kind, size } = form;
    const perStep = kind !== 'sequence' && predictsEachStep(model.run.spec.head);
    const first = model.data.first_prediction ?? 0;
    const { split, indices, pass, hasLabels } = batch;
    return batch.rows.flatMap((own, row): readonly SequencePrediction[] => {
      const { position, steps, id, symbols, times, history, warnings } = own;
      const length = steps ?? split.lengths?.[indices[row]];
      // a row of a text that has ended has no steps
      if (length === 0) return [];
      const computed = pass.predictions(slot, batch, row, length).slice(first);
      const readout = this.readouts.of(split, own.window);
      for (const { outputs, at, step } of computed) readout.learn(outputs, at, step - first);
      if (own.isPast) return [];
      const place = { index: position, ...(id !== undefined && { id }) };
      const more = { ...(history && { history }), ...(warnings && { warnings }) };
      if (split.targets.kind === 'sequence') {
        const target = hasLabels ? symbolsOfTarget(split.targets, indices[row]) : undefined;
        const predictions = computed.map(one =>
          symbolsPrediction(form, one, { target, time: times?.at(-1) }),
        );
        return [{ ...place, predictions, ...more }];
      }
      // with memory of their own for each, most of the heap would be garbage
      const memory = classMemory(kind === 'class' ? computed.length * size : 0);
      const predictions = computed.flatMap(({ step, at, outputs }, i): readonly Prediction[] => {
        const time = perStep ? times?.[step - first] : times?.at(-1);
        const target = hasLabels ? readout.target(at) : undefined;
        const own = memory.map(list => list.subarray(i * size, (i + 1) * size)) as typeof memory;
        const symbol = form.hasSymbols ? symbols?.[step] : undefined;
        const of = { step: step - first, time, symbol, outputs, at, target };
        const one = predictionOf(form, readout, of, own);
        return one.kind === 'value' && one.values.length > size ? stepsOf(one, size, times) : [one];
      });
      return [{ ...place, predictions, ...more }];
    });
  }

  /** A sequence as a row of a batch. */
  protected placed(sequence: NewSequence, position: number): Placed {
    return { ...sequence, ...this.symbolsOf(sequence), ...this.warningsOf(sequence), position };
  }

  private symbolsOf({ values, symbols }: NewSequence): Pick<NewSequence, 'symbols'> {
    const { vocabulary } = this.model.data;
    if (!this.form.hasSymbols || symbols || !vocabulary) return {};
    return { symbols: Array.from(values, number => vocabulary.symbols[number]) };
  }

  private warningsOf({ values, warnings = [], place }: NewSequence): Pick<NewSequence, 'warnings'> {
    const doubts = doubtsOf(values, this.columns, place);
    return doubts.length > 0 ? { warnings: [...warnings, ...doubts] } : {};
  }

  /** Why the model cannot predict a sequence. */
  protected unfit({ id, length, place, targets }: NewSequence): readonly Diagnostic[] {
    const { run, maxSteps = MAX_STEPS } = this.model;
    const of = id === undefined ? '' : ` of ${id}`;
    const wrong = taskOf(run.loss) === 'labels' ? targets?.find(one => one < 0 || one > 1) : undefined;
    if (wrong !== undefined) {
      const message = `loss ${run.loss.kind} needs targets from 0 to 1`;
      return [{ code: 'data/label-range', message, ...place, got: String(wrong) }];
    }
    const steps = stepsRead(run.spec.steps, length);
    if (run.loss.kind === 'ctc' && targets && isImpossible(targets, steps)) {
      const message = `the target${of} is too long for its input`;
      const sizes = { expected: 'a step for each symbol and repetition', got: counted(steps, 'step') };
      return [{ code: 'data/impossible', message, ...place, ...sizes }];
    }
    // states are carried only between batches of the same pass
    const most = run.spec.carriesState ? Math.min(run.sequenceLength, maxSteps) : maxSteps;
    if (length <= most) return [];
    const message = 'the sequence is too long to predict';
    const sizes = { expected: `at most ${counted(most, 'step')}`, got: counted(length, 'step') };
    return [{ code: 'data/sequence-too-long', message, ...place, ...sizes }];
  }

  protected rowsOf(steps: number): number {
    const { run, training, data } = this.model;
    const batchSize = evaluationRows(run, training, Math.max(training.batch_size, NEW_ROWS));
    if (steps === run.sequenceLength) return batchSize;
    const fitting = Math.floor(MAX_BATCH_NUMBERS / (steps * inputWidth(data.input)));
    return Math.max(1, Math.min(batchSize, fitting));
  }

  /** Number of steps of the pass for a sequence of `length` steps. */
  protected stepsFor(length: number): number {
    return doubled(this.model.run.sequenceLength, length);
  }

  protected batchOf(rows: readonly Placed[]): PredictedBatch {
    const { run, data, scaling } = this.model;
    const steps = this.stepsFor(longest(rows));
    // carried states require one pass for all batches
    const isAny = run.variableLength || run.spec.carriesState;
    const targets = newTargets(this.model, steps, rows);
    const lengths = {
      sequenceLength: steps,
      variableLength: isAny || rows.some(({ length }) => length !== steps),
      ...(targets.kind === 'sequence' && { targetLength: doubled(run.targetLength ?? 1, targets.size) }),
    };
    const pass = this.pass(lengths, this.rowsOf(steps));
    const split = newSplit(rows, { data, steps, scaling, targets });
    return { split, indices: Uint32Array.from(rows.keys()), rows, hasLabels: false, pass };
  }

  protected pass(
    lengths: Pick<ModelRun, 'sequenceLength' | 'targetLength' | 'variableLength'>,
    rows: number,
  ): ShardedBatches {
    const key = JSON.stringify(lengths);
    const { run, pool } = this.model;
    const pass = this.passes.get(key) ?? new ShardedBatches(pool, { ...run, ...lengths }, rows);
    this.passes.set(key, pass);
    return pass;
  }
}

/** Doubles a number up to `least` or more: few different ones, so that little is compiled. */
function doubled(number: number, least: number): number {
  return number < least ? doubled(2 * number, least) : number;
}

/** The columns of new sequences, with the fills and scaling that training recorded. */
function readColumns({ data, scaling, columnNames }: LoadedModel): ReadColumn[] {
  const { input, preparation } = data;
  if (input.kind !== 'number') return [];
  const { method, features } = scaling ?? {};
  const made = preparation && featuresOf(preparation);
  const width = dataWidth(data);
  // each series has scaled its own columns
  const first = data.series_scaling ? width - staticWidth(data) : 0;
  return Array.from({ length: width }, (_, column) => {
    const feature = made ? made.findIndex(one => one.column === column && one.kind === 'value') : column;
    const { fill, static: isStatic } = preparation?.columns[column] ?? {};
    const isScaled = features && method && feature >= 0 && column >= first;
    return {
      ...{ name: columnNames?.[column] ?? `feature ${column}`, isStatic },
      ...(fill && { fill }),
      ...(isScaled && {
        scaling: { method, offset: features.offset[feature], scale: features.scale[feature] },
      }),
    };
  });
}

export function longest(waiting: readonly Placed[]): number {
  return waiting.reduce((most, { length }) => Math.max(most, length), 0);
}

/**
 * Returns the targets of new sequences of up to `steps` steps, with the shape and scaling of those
 * of a split. A target that is not given is ignored.
 * @internal
 */
export function newTargets(
  { run: { spec, loss }, scaling }: Pick<LoadedModel, 'run' | 'scaling'>,
  steps: number,
  sequences: readonly Pick<NewSequence, 'targets'>[],
): Targets {
  const { target } = lossOf(loss);
  if (target === 'sequence') {
    const size = sequences.reduce((most, { targets = [] }) => Math.max(most, targets.length), 1);
    const values = new Int32Array(sequences.length * size).fill(IGNORED);
    for (const [i, { targets = [] }] of sequences.entries()) values.set(targets, i * size);
    return { kind: 'sequence', numClasses: spec.outputSize - 1, size, values };
  }
  const perStep = predictsEachStep(spec.head);
  const width = perStep ? steps : 1;
  if (target === 'class') {
    const values = new Int32Array(sequences.length * width).fill(IGNORED);
    for (const [i, { targets = [] }] of sequences.entries()) values.set(targets, i * width);
    return { kind: 'class', numClasses: spec.outputSize, values, perStep };
  }
  const size = targetSize(loss, spec.outputSize);
  const values = new Float32Array(sequences.length * width * size).fill(Number.NaN);
  const own = scaling?.targets;
  for (const [i, { targets = [] }] of sequences.entries()) {
    const scaled = (value: number, at: number) =>
      own ? (value - own.offset[at % size]) / own.scale[at % size] : value;
    values.set(Float32Array.from(targets, scaled), i * width * size);
  }
  return { kind: 'value', size, values, perStep, ...(own && { scaling: own }) };
}

export const WHOLE = '`predict` with whole sequences';

/**
 * The code of sessions is not in a module whose model this refuses.
 * @throws UserError (exit 2) if the model forecasts or has a decoder: it reads whole sequences
 */
export function refuseSteps({ series, run }: LoadedModel): void {
  if (series) {
    const message = 'a forecasting model reads windows of a series, so it cannot run step by step';
    throw usageError('model/forecast', message, { expected: '`predict` with the last steps of a series' });
  }
  if (run.spec.decoder) {
    const message = 'a decoder reads the whole sequence first, so the model cannot run step by step';
    throw usageError('model/decoder', message, { expected: WHOLE });
  }
}

/**
 * The number of symbols of a language model; the code that generates is only in modules of these.
 * @throws UserError (exit 2) if the model does not predict the next symbol at each step
 */
export function symbolsOf({ data: { input }, form }: Pick<LoadedModel, 'data' | 'form'>): number {
  if (input.kind === 'symbol' && form.kind === 'class' && form.size === input.count) return input.count;
  throw usageError(
    'model/not-generative',
    'only language models can generate: their classes are their input symbols',
    { expected: 'a model trained on `dataset.kind: text`; this one predicts: call it without generating' },
  );
}
