/**
 * Turns sequences into predictions, both for splits of a run's data and for new sequences: batches,
 * forward passes, predictions.
 */
import { setTimeout } from 'node:timers/promises';
import type { Experiment } from '../config/index.js';
import {
  dataWidth,
  doubtsOf,
  featuresOf,
  IGNORED,
  inputWidth,
  isRejected,
  type NewSequence,
  newSplit,
  type ReadColumn,
  type ReadSequence,
  type Split,
  staticWidth,
  symbolsOfTarget,
  type Targets,
} from '../data/index.js';
import { isImpossible } from '../math/losses/ctc.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { stepsRead } from '../math/model/spec.js';
import { batchesOf, type Evaluation, evaluationRows, inTurn, Readout, Scores } from '../train/evaluator.js';
import { type ModelRun, ShardedBatches, type SplitBatch } from '../train/shards.js';
import type { WeightsName } from '../train/weights.js';
import { type Diagnostic, damagedErrors, type UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { OpenedModel } from './open.js';
import {
  classMemory,
  type Prediction,
  type PredictionForm,
  predictionForm,
  predictionOf,
  type SequencePrediction,
  stepsOf,
  symbolsPrediction,
} from './predictions.js';
import type { RejectionOptions } from './session.js';

/** Maximum number of steps of a sequence; an LSTM of 128 units takes 1 GB for that many. */
const MAX_STEPS = 2 ** 18;

/** Maximum number of input values in a batch if its sequences are longer than those of the run. */
const MAX_BATCH_NUMBERS = 2 ** 22;

/**
 * Rows for new sequences after training with smaller batches: many sequences take about as long as
 * with more rows, and one alone takes as long as all rows.
 */
const NEW_ROWS = 32;

type Placed = NewSequence & { readonly position: number };

interface PredictedBatch extends SplitBatch {
  readonly rows: readonly (Pick<Placed, 'position' | 'id' | 'symbols' | 'times' | 'history' | 'warnings'> & {
    /** Steps that are not padding; absent: the length of the sequence. */
    readonly steps?: number | undefined;
  })[];
  readonly hasLabels: boolean;
  readonly pass: ShardedBatches;
}

interface SequenceOutputs {
  /** Index of the sequence in its split. */
  readonly position: number;
  readonly outputs: Float32Array;
}

/** @internal */
export class Predictor {
  readonly form: PredictionForm;
  private readonly columns: readonly ReadColumn[];
  private readonly passes = new Map<string, ShardedBatches>();

  constructor(private readonly model: OpenedModel) {
    const { experiment, run, data, top } = model;
    const form = predictionForm(run.spec, run.loss, data, experiment.dataset);
    this.form = { ...form, ...(top !== undefined && { top }) };
    this.columns = readColumns(model);
  }

  /** Predicts the first `limit` sequences of `split` in order, with labels, batch by batch. */
  split(split: Split, limit: number): AsyncGenerator<readonly SequencePrediction[]> {
    return this.predict(this.batchesOfSplit({ ...split, count: Math.min(split.count, limit) }));
  }

  /** The outputs of each sequence of `split` in order, `[predictions, C]`, batch by batch. */
  async *outputs(split: Split): AsyncGenerator<readonly SequenceOutputs[]> {
    for await (const { batch, slot } of inTurn(this.batchesOfSplit(split), one => one.pass)) {
      yield batch.rows.map(({ position }, row) => {
        const computed = batch.pass.predictions(slot, batch, row);
        return { position, outputs: Float32Array.from(computed.flatMap(({ outputs }) => [...outputs])) };
      });
    }
  }

  /** Predicts new sequences in order, batch by batch. */
  sequences(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions = {},
  ): AsyncGenerator<readonly SequencePrediction[]> {
    return this.predict(this.newBatches(lists, options));
  }

  /** Computes the metrics of new sequences with targets. @param watch called with each batch */
  async evaluate(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions,
    watch: (split: Split, rows: PredictedBatch['rows']) => void = () => {},
  ): Promise<Evaluation> {
    const scores = new Scores(this.model.run);
    const batches = this.newBatches(lists, options);
    for await (const { batch, slot } of inTurn(batches, one => one.pass)) {
      const { split } = batch;
      scores.add(batch.pass, { batch, slot }, index => split.errorScale?.(index));
      watch(split, batch.rows);
    }
    return scores.evaluation;
  }

  private async *predict(
    batches: AsyncIterable<PredictedBatch>,
  ): AsyncGenerator<readonly SequencePrediction[]> {
    const { form, model } = this;
    const { kind, size } = form;
    const perStep = kind !== 'sequence' && predictsEachStep(model.run.spec.head);
    const first = model.data.first_prediction ?? 0;
    for (const pass of this.passes.values()) pass.resetStates();
    for await (const { batch, slot } of inTurn(batches, one => one.pass)) {
      const { split, indices, pass, hasLabels } = batch;
      const readout = new Readout(model.run.loss, split.targets);
      yield batch.rows.flatMap(({ position, steps, id, symbols, times, history, warnings }, row) => {
        const length = steps ?? split.lengths?.[indices[row]];
        // a row of a text that has ended has no steps
        if (length === 0) return [];
        const computed = pass.predictions(slot, batch, row, length).slice(first);
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
  }

  private async *batchesOfSplit(split: Split): AsyncGenerator<PredictedBatch> {
    const { run, experiment } = this.model;
    const batchSize = evaluationRows(run, experiment.training, split.count);
    const { sequenceLength, targetLength, variableLength } = run;
    const pass = this.pass({ sequenceLength, targetLength, variableLength }, batchSize);
    // steps past the end of a text are no steps of its sequences
    const { realSteps } = predictsEachStep(run.spec.head) ? split : {};
    for await (const batch of batchesOf(split, batchSize)) {
      const rows = Array.from(batch.indices, index => {
        const position = batch.position(index);
        const id = split.id?.(position);
        const symbols = this.form.hasSymbols && split.symbols?.(position);
        const named = { ...(id !== undefined && { id }), ...(symbols && { symbols }) };
        const history = split.history?.(position);
        const times = hasForecastTimes(experiment) && split.forecast?.(position).times;
        const more = { ...(history && { history }), ...(times && { times }) };
        return { position, steps: realSteps?.(position), ...named, ...more };
      });
      yield { ...batch, rows, hasLabels: true, pass };
    }
  }

  private newBatches(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions,
  ): AsyncGenerator<PredictedBatch> {
    if (options.onRejected && this.model.run.spec.carriesState) throw cannotSkip();
    return this.batchesOfSequences(lists, options);
  }

  private async *batchesOfSequences(
    lists: AsyncIterable<readonly ReadSequence[]>,
    { onRejected }: RejectionOptions,
  ): AsyncGenerator<PredictedBatch> {
    const { spec } = this.model.run;
    let waiting: Placed[] = [];
    let index = 0;
    const taken = (): PredictedBatch[] => {
      const batch = waiting.length > 0 ? [this.batchOf(waiting)] : [];
      waiting = [];
      return batch;
    };
    try {
      for await (const list of pausing(lists)) {
        // a source that pauses does not wait for a full batch
        if (list === undefined && !spec.carriesState) yield* taken();
        for (const sequence of list ?? []) {
          const position = isRejected(sequence) ? index : (sequence.position ?? index);
          index = position + 1;
          const problems = isRejected(sequence) ? sequence.problems : this.unfit(sequence);
          if (problems.length > 0 && !onRejected) throw damagedErrors(problems);
          if (problems.length > 0) onRejected?.(problems, position);
          if (problems.length > 0 || isRejected(sequence)) continue;
          const steps = this.stepsFor(Math.max(longest(waiting), sequence.length));
          if (sequence.startsBatch || waiting.length >= this.rowsOf(steps)) yield* taken();
          waiting.push({ ...sequence, ...this.symbolsOf(sequence), ...this.warningsOf(sequence), position });
        }
      }
    } catch (error) {
      yield* taken();
      throw error;
    }
    yield* taken();
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

  private unfit({ id, length, place, targets }: NewSequence): readonly Diagnostic[] {
    const { run } = this.model;
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
    const most = run.spec.carriesState ? run.sequenceLength : MAX_STEPS;
    if (length <= most) return [];
    const message = 'the sequence is too long to predict';
    const sizes = { expected: `at most ${counted(most, 'step')}`, got: counted(length, 'step') };
    return [{ code: 'data/sequence-too-long', message, ...place, ...sizes }];
  }

  private rowsOf(steps: number): number {
    const { run, experiment, data } = this.model;
    const { training } = experiment;
    const batchSize = evaluationRows(run, training, Math.max(training.batch_size, NEW_ROWS));
    if (steps === run.sequenceLength) return batchSize;
    const fitting = Math.floor(MAX_BATCH_NUMBERS / (steps * inputWidth(data.input)));
    return Math.max(1, Math.min(batchSize, fitting));
  }

  /** Number of steps of the pass for a sequence of `length` steps. */
  private stepsFor(length: number): number {
    return doubled(this.model.run.sequenceLength, length);
  }

  private batchOf(rows: readonly Placed[]): PredictedBatch {
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

  private pass(
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

/** True if the steps of forecasts of splits have times. */
export function hasForecastTimes({ dataset }: Experiment): boolean {
  return dataset.kind === 'forecast' && dataset.time !== undefined;
}

/**
 * Nothing can replace a sequence that cannot be read: the next one of its row would start in the
 * states of another, and so would all after it.
 */
function cannotSkip(): UserError {
  return usageError(
    'predict/skip',
    'sequences cannot be skipped: this model has `carry_state`, so each starts in the states of one before it',
    { expected: '`--on-error stop`; in a program, no `onRejected`' },
  );
}

/** Doubles a number up to `least` or more: few different ones, so that little is compiled. */
function doubled(number: number, least: number): number {
  return number < least ? doubled(2 * number, least) : number;
}

/** The columns of new sequences, with the fills and scaling that training recorded. */
function readColumns({ data, scaling, columnNames }: OpenedModel): ReadColumn[] {
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

function longest(waiting: readonly Placed[]): number {
  return waiting.reduce((most, { length }) => Math.max(most, length), 0);
}

/** Milliseconds without data after which a source counts as pausing. */
const PAUSE_MS = 50;

/** Yields the items of `source`, and undefined once per pause. */
async function* pausing<T>(source: AsyncIterable<T>): AsyncGenerator<T | undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      const settled = Promise.allSettled([next]);
      const isSettled = await Promise.race([settled, setTimeout(PAUSE_MS)]);
      if (!isSettled) yield undefined;
      const { value, done } = await next;
      if (done) return;
      yield value;
    }
  } finally {
    // not awaited: a generator waiting for its source returns only when that yields
    iterator.return?.().catch(() => {});
  }
}

/**
 * Returns the targets of new sequences of up to `steps` steps, with the shape and scaling of those
 * of a split. A target that is not given is ignored.
 * @internal
 */
export function newTargets(
  { run: { spec, loss }, scaling }: Pick<OpenedModel, 'run' | 'scaling'>,
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

export type WhichCheckpoint = 'last' | 'best' | number;

/** Which weights of a run to use. */
export interface WhichWeights {
  /** Undefined: the checkpoint with the run's final weights. */
  readonly checkpoint?: WhichCheckpoint | undefined;
  /** Undefined: the average if the run keeps one, else the weights of the last update. */
  readonly weights?: WeightsName | undefined;
}
