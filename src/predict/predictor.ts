/**
 * Turns sequences into predictions, both for splits of a run's data and for new sequences: batches,
 * forward passes, predictions.
 */
import {
  IGNORED,
  inputWidth,
  isRejected,
  type NewSequence,
  newSplit,
  type ReadSequence,
  type Split,
  type Targets,
} from '../data/index.js';
import { lossOf, targetSize } from '../math/losses/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { batchesOf, inTurn } from '../train/evaluator.js';
import { Readout } from '../train/predictions.js';
import { ShardedBatches, type SplitBatch } from '../train/shards.js';
import { type Diagnostic, damagedError, type UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { RejectionOptions } from './given-values.js';
import type { OpenedModel } from './open.js';
import {
  type Prediction,
  type PredictionForm,
  PredictionRoom,
  predictionForm,
  predictionOf,
  type SequencePrediction,
} from './predictions.js';

/** Maximum number of steps of a sequence; an LSTM of 128 units takes 1 GB for that many. */
const MAX_STEPS = 2 ** 18;

/** Maximum number of input values in a batch if its sequences are longer than those of the run. */
const MAX_BATCH_NUMBERS = 2 ** 22;

interface PredictedRow extends Pick<NewSequence, 'id' | 'times' | 'warnings'> {
  readonly position: number;
  /** Steps that are not padding; undefined: all steps of the batch. */
  readonly length: number | undefined;
}

interface PredictedBatch extends SplitBatch {
  readonly rows: readonly PredictedRow[];
  readonly hasLabels: boolean;
  readonly pass: ShardedBatches;
}

interface Placed {
  readonly sequence: NewSequence;
  readonly position: number;
}

export class Predictor {
  readonly form: PredictionForm;
  private readonly passes = new Map<string, ShardedBatches>();

  constructor(private readonly model: OpenedModel) {
    const { run, data } = model;
    this.form = predictionForm(run.spec, run.loss, data);
  }

  /** Predicts the first `limit` sequences of `split` in order, with labels, batch by batch. */
  split(split: Split, limit: number): AsyncGenerator<readonly SequencePrediction[]> {
    return this.predict(this.batchesOfSplit({ ...split, count: Math.min(split.count, limit) }));
  }

  /** Predicts new sequences in order, batch by batch. */
  sequences(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions = {},
  ): AsyncGenerator<readonly SequencePrediction[]> {
    if (options.onRejected && this.model.run.spec.carriesState) throw cannotSkip();
    return this.predict(this.batchesOfSequences(lists, options));
  }

  private async *predict(
    batches: AsyncIterable<PredictedBatch>,
  ): AsyncGenerator<readonly SequencePrediction[]> {
    for (const pass of this.passes.values()) pass.resetStates();
    for await (const { batch, slot } of inTurn(batches, one => one.pass)) {
      const readout = new Readout(lossOf(this.model.run.loss), batch.split.targets);
      // a row of a text that has ended has no steps
      yield batch.rows.flatMap((row, at) =>
        row.length === 0 ? [] : [this.prediction(batch, readout, row, { at, slot })],
      );
    }
  }

  private prediction(
    { pass, hasLabels, indices }: PredictedBatch,
    readout: Readout,
    { position, id, times, length, warnings }: PredictedRow,
    { at, slot }: { readonly at: number; readonly slot: number },
  ): SequencePrediction {
    const { form } = this;
    const base = indices[at] * (form.perStep ? pass.model.sequenceLength : 1);
    const first = this.model.data.first_prediction ?? 0;
    const computed = pass.predictions(slot, at, length).slice(first);
    const room = form.kind === 'class' ? new PredictionRoom(computed.length, form.size) : undefined;
    const predictions = computed.map(({ step, outputs }): Prediction => {
      const time = form.perStep ? times?.[step] : times?.at(-1);
      const target = hasLabels ? readout.target(base + step) : undefined;
      return predictionOf(form, readout, {
        step: step - first,
        time,
        outputs,
        at: base + step,
        room,
        target,
      });
    });
    return { index: position, ...(id !== undefined && { id }), predictions, ...(warnings && { warnings }) };
  }

  private async *batchesOfSplit(split: Split): AsyncGenerator<PredictedBatch> {
    const { run, batchSize } = this.model;
    const pass = this.pass(run.sequenceLength, run.variableLength, batchSize);
    // steps past the end of a text are no steps of its sequences
    const { realSteps } = this.form.perStep ? split : {};
    for await (const batch of batchesOf(split, batchSize)) {
      const rows = Array.from(batch.indices, (index): PredictedRow => {
        const position = batch.position(index);
        const id = split.id?.(position);
        const length = realSteps?.(position) ?? batch.split.lengths?.[index];
        return { position, length, ...(id !== undefined && { id }) };
      });
      yield { ...batch, rows, hasLabels: true, pass };
    }
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
          if (problems.length > 0 && !onRejected) throw damagedError(...problems);
          if (problems.length > 0) onRejected?.(problems, position);
          if (problems.length > 0 || isRejected(sequence)) continue;
          const steps = this.stepsFor(Math.max(longest(waiting), sequence.length));
          if (sequence.startsBatch || waiting.length >= this.rowsOf(steps)) yield* taken();
          waiting.push({ sequence, position });
        }
      }
    } catch (error) {
      yield* taken();
      throw error;
    }
    yield* taken();
  }

  private unfit({ length, place }: NewSequence): readonly Diagnostic[] {
    const { run } = this.model;
    // states are carried only between batches of the same pass
    const most = run.spec.carriesState ? run.sequenceLength : MAX_STEPS;
    if (length <= most) return [];
    const message = 'the sequence is too long to predict';
    const sizes = { expected: `at most ${counted(most, 'step')}`, got: counted(length, 'step') };
    return [{ code: 'data/sequence-too-long', message, ...place, ...sizes }];
  }

  private rowsOf(steps: number): number {
    const { run, batchSize, data } = this.model;
    if (steps === run.sequenceLength) return batchSize;
    const fitting = Math.floor(MAX_BATCH_NUMBERS / (steps * inputWidth(data.input)));
    return Math.max(1, Math.min(batchSize, fitting));
  }

  /**
   * Number of steps of the pass for a sequence of `length` steps. There are few different numbers,
   * so that little is compiled.
   */
  private stepsFor(length: number): number {
    let steps = this.model.run.sequenceLength;
    while (steps < length) steps *= 2;
    return steps;
  }

  private batchOf(waiting: readonly Placed[]): PredictedBatch {
    const { run, data, scaling } = this.model;
    const steps = this.stepsFor(longest(waiting));
    // carried states require one pass for all batches
    const isAny = run.variableLength || run.spec.carriesState;
    const isVariable = isAny || waiting.some(({ sequence }) => sequence.length !== steps);
    const sequences = waiting.map(({ sequence }) => sequence);
    const targets = noTargets(this.model, steps);
    const split = newSplit(sequences, { input: data.input, steps, scaling, targets });
    return {
      split,
      indices: Uint32Array.from(waiting.keys()),
      rows: waiting.map(({ sequence, position }, i) => ({
        ...sequence,
        position,
        length: split.lengths?.[i],
      })),
      hasLabels: false,
      pass: this.pass(steps, isVariable, this.rowsOf(steps)),
    };
  }

  private pass(steps: number, variableLength: boolean, rows: number): ShardedBatches {
    const key = `${steps} ${variableLength}`;
    const { run, pool } = this.model;
    const pass =
      this.passes.get(key) ??
      new ShardedBatches(pool, { ...run, sequenceLength: steps, variableLength }, rows);
    this.passes.set(key, pass);
    return pass;
  }
}

/**
 * Nothing can replace a sequence that cannot be read: the next one of its row would start in the
 * states of another, and so would all after it.
 */
function cannotSkip(): UserError {
  return usageError({
    code: 'predict/skip',
    message:
      'sequences cannot be skipped: this model has `carry_state`, so each starts in the states of one before it',
    expected: '`--on-error stop`; in a program, no `onRejected`',
  });
}

function longest(waiting: readonly Placed[]): number {
  return waiting.reduce((most, { sequence }) => Math.max(most, sequence.length), 0);
}

/** Milliseconds without data after which a source counts as pausing. */
const PAUSE_MS = 50;

/** Yields the items of `source`, and undefined once per pause. */
async function* pausing<T>(source: AsyncIterable<T>): AsyncGenerator<T | undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      if (!(await isWithin(next, PAUSE_MS))) yield undefined;
      const { value, done } = await next;
      if (done) return;
      yield value;
    }
  } finally {
    // not awaited: a generator waiting for its source returns only when that yields
    iterator.return?.().catch(() => {});
  }
}

function isWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds, false);
    const settle = () => {
      clearTimeout(timer);
      resolve(true);
    };
    promise.then(settle, settle);
  });
}

/**
 * Returns a function that creates placeholder targets for `count` sequences of up to `steps` steps,
 * with the shape and scaling of real ones.
 */
export function noTargets(
  { run: { spec, loss }, scaling }: Pick<OpenedModel, 'run' | 'scaling'>,
  steps: number,
): (count: number) => Targets {
  const perStep = predictsEachStep(spec.head);
  return count => {
    const predictions = count * (perStep ? steps : 1);
    if (lossOf(loss).target === 'class') {
      const values = new Int32Array(predictions).fill(IGNORED);
      return { kind: 'class', numClasses: spec.outputSize, values, perStep };
    }
    const size = targetSize(loss, spec.outputSize);
    const own = scaling?.targets;
    return {
      kind: 'value',
      size,
      values: new Float32Array(predictions * size),
      ...(own && { scaling: own }),
    };
  };
}
