/** Predicts splits of a run's data, and files and streams of new sequences, batch by batch. */

import type { Experiment } from '../config/index.js';
import type { StepColumns } from '../data/core/columns.js';
import { type Dataset, isRejected, type ReadSequence, type Split } from '../data/index.js';
import { sleep } from '../host/index.js';
import { adaptationOf } from '../math/confidence/adaptive.js';
import { predictsEachStep } from '../math/model/heads.js';
import type { PredictedSequence } from '../tasks/core/prediction.js';
import { Readouts } from '../tasks/readouts.js';
import { batchesOf, type Evaluation, evaluationRows, inTurn, Scores } from '../train/evaluator.js';
import type { ShardPool } from '../train/pool.js';
import {
  type Diagnostic,
  damagedErrors,
  EXIT,
  type ExitCode,
  UserError,
  usageError,
} from '../util/errors.js';
import type { SequencePrediction } from './predictions.js';
import {
  type LoadedModel,
  longest,
  type Placed,
  type PredictedBatch,
  SequencePredictor,
} from './sequence-predictor.js';
import type { RejectionOptions } from './steps.js';

interface SequenceOutputs {
  /** Index of the sequence in its split. */
  readonly position: number;
  readonly outputs: Float32Array;
}

/** A model with its weights and its knowledge of the data, until its pool is closed. */
export interface OpenedModel extends LoadedModel {
  readonly experiment: Experiment;
  /** Absent if it was opened without the data of its run. */
  readonly dataset?: Dataset;
  readonly pool: ShardPool;
  /** Of the steps that a program passes; absent if they have no names. */
  readonly columns: StepColumns | undefined;
  /** Adds to predictions what contributes to them; see `predict --explain`. */
  readonly explainer?: Explainer;
}

export interface Explainer {
  explain(prediction: SequencePrediction, batch: PredictedBatch, row: number): Promise<SequencePrediction>;
  close(): Promise<void>;
}

/** @internal */
export class Predictor extends SequencePredictor<OpenedModel> {
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
    observe?: (sequence: PredictedSequence) => void,
  ): Promise<Evaluation> {
    const scores = new Scores(this.model.run);
    const batches = this.newBatches(lists, options);
    for await (const { batch, slot } of inTurn(batches, one => one.pass)) {
      const { split } = batch;
      const factsOf = (index: number) => ({
        errorScale: split.errorScale?.(index),
        window: batch.rows[index].window,
      });
      scores.add(batch.pass, { batch, slot }, factsOf, (index, predictions) => {
        const { position, id } = batch.rows[index];
        observe?.({ index: position, ...(id !== undefined && { id }), predictions });
      });
      watch(split, batch.rows);
    }
    return scores.evaluation;
  }

  private async *predict(
    batches: AsyncIterable<PredictedBatch>,
  ): AsyncGenerator<readonly SequencePrediction[]> {
    this.resetStates();
    const { run } = this.model;
    // what intervals of earlier inputs adapted to is not known of these
    this.readouts = new Readouts(run, adaptationOf(run.decisions?.intervals));
    for await (const { batch, slot } of inTurn(batches, one => one.pass)) {
      const predictions = this.predictionsOf(batch, slot);
      const { explainer } = this.model;
      const all: SequencePrediction[] = [];
      for (const one of explainer ? predictions : []) {
        const row = batch.rows.findIndex(({ position, isPast }) => position === one.index && !isPast);
        all.push(await explainer!.explain(one, batch, row));
      }
      yield explainer ? all : predictions;
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
        const window = split.forecast?.(position);
        const times = hasForecastTimes(experiment) && window?.times;
        const more = { ...(history && { history }), ...(times && { times }), ...(window && { window }) };
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
    let alone: RejectedError | undefined;
    try {
      for await (const list of pausing(lists)) {
        if (alone && list?.length !== 0) throw new RejectedError(EXIT.damaged, alone.diagnostics);
        // a source that pauses does not wait for a full batch
        if (list === undefined && !spec.carriesState) yield* taken();
        for (const sequence of list ?? []) {
          const position = isRejected(sequence) ? index : (sequence.position ?? index);
          index = !isRejected(sequence) && sequence.isPast ? position : position + 1;
          const problems = isRejected(sequence) ? sequence.problems : this.unfit(sequence);
          if (problems.length > 0 && !onRejected) {
            if (spec.carriesState) throw damagedErrors(problems);
            alone = new RejectedError(EXIT.damaged, problems, true);
            if (index > 1 || list?.length !== 1) throw new RejectedError(EXIT.damaged, problems);
            continue;
          }
          if (problems.length > 0) onRejected?.(problems, position);
          if (problems.length > 0 || isRejected(sequence)) continue;
          const steps = this.stepsFor(Math.max(longest(waiting), sequence.length));
          if (sequence.startsBatch || waiting.length >= this.rowsOf(steps)) yield* taken();
          waiting.push(this.placed(sequence, position));
        }
      }
    } catch (error) {
      yield* taken();
      throw error;
    }
    if (alone) throw alone;
    yield* taken();
  }
}

/** True if the steps of forecasts of splits have times. */
export function hasForecastTimes({ dataset }: Experiment): boolean {
  return dataset.kind === 'forecast' && dataset.time !== undefined;
}

/** A sequence does not fit the model; with `onRejected` it is skipped. */
export class RejectedError extends UserError {
  constructor(
    exitCode: ExitCode,
    diagnostics: readonly Diagnostic[],
    /** True if the input has no other sequence. */
    readonly isOnly = false,
  ) {
    super(exitCode, diagnostics);
  }
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

/** Milliseconds without data after which a source counts as pausing. */
const PAUSE_MS = 50;

/** Yields the items of `source`, and undefined once per pause. */
async function* pausing<T>(source: AsyncIterable<T>): AsyncGenerator<T | undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      const settled = Promise.allSettled([next]);
      const isSettled = await Promise.race([settled, sleep(PAUSE_MS)]);
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
