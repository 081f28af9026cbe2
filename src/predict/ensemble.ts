/** Several models that predict together: the mean of what they predict, and how they disagree. */
import { measuredMetrics } from '../config/index.js';
import { splitSeedOf } from '../config/metrics.js';
import { type ByteSource, fileBytes, type InputSource, type SplitName } from '../data/index.js';
import { datasetFacts } from '../data/kinds.js';
import { lossFor, targetSize, taskOf } from '../math/losses/index.js';
import { accumulators } from '../math/metrics/index.js';
import type { Scored, Task } from '../math/metrics/metric.js';
import type { PredictedSequence } from '../tasks/core/prediction.js';
import { probabilities } from '../tasks/readouts.js';
import type { Evaluation } from '../train/evaluator.js';
import { usageError, usageErrors } from '../util/errors.js';
import { addTo, joinedSequence, refuseOthers } from './mean.js';
import type { SavedModel } from './open.js';
import type { PredictionForm, SequencePrediction } from './predictions.js';
import type { RejectionOptions } from './steps.js';

/**
 * Refuses models that do not predict the same of the same sequences.
 * @param split of their data that they predict; undefined for new sequences
 */
export function checkMembers(members: readonly SavedModel[], split?: SplitName): void {
  const [first, ...others] = members.map(factsOf);
  if (others.length === 0) return;
  if (first.task === 'sequences') {
    const message = 'sequences of symbols have no mean, so these models cannot predict together';
    throw usageError('predict/members', message, { file: members[0].path, expected: 'one run' });
  }
  const problems = others.flatMap((facts, i) => {
    const key = Object.keys(first).find(name => text(first[name]) !== text(facts[name]));
    const { path: file, file: checkpoint } = members[i + 1];
    const isAgain = members.slice(0, i + 1).some(one => one.path === file && one.file === checkpoint);
    if (isAgain) return [{ code: 'predict/members', message: 'this model is given twice', file }];
    const of = members[0].path;
    if (key !== undefined) {
      const message = `the models do not predict the same: \`${key}\` is not that of ${of}`;
      const [expected, got] = [first, facts].map(one => (one[key] === null ? 'none' : text(one[key])));
      return [{ code: 'predict/members', message, file, expected, got }];
    }
    if (split === undefined || divisionOf(members[0]) === divisionOf(members[i + 1])) return [];
    const message = `its ${split} split has other sequences than that of ${of}, which may have been trained on them`;
    const expected = 'runs with the same splits, or --input FILE with data that none has seen';
    return [{ code: 'predict/members', message, file, expected }];
  });
  if (problems.length > 0) throw usageErrors(problems);
}

/**
 * The thresholds of the mean of models.
 * @param chosen for that of their final weights
 * @param tell called with a warning if they use thresholds which their mean does not
 */
export function thresholdsOfMean(
  members: readonly SavedModel[],
  chosen: readonly number[] | undefined,
  tell: (warning: string) => void,
): readonly number[] | undefined {
  const [first, ...others] = members;
  if (others.length === 0) return first.decisions?.thresholds;
  // other weights than the final ones are used without
  const areUsed = members.some(({ decisions }) => decisions?.thresholds);
  if (areUsed && chosen === undefined)
    tell('the thresholds of these runs do not hold for their mean, which is decided at 0.5');
  return areUsed ? chosen : undefined;
}

function factsOf({
  loaded,
  manifest,
}: SavedModel): Readonly<Record<string, unknown>> & { readonly task: Task } {
  const { dataset, loss, model } = loaded.experiment;
  const { class_names, target_names, output_size } = manifest?.data ?? {};
  return {
    'dataset.kind': dataset.kind,
    task: taskOf(lossFor(loss, model)),
    classes: class_names ?? null,
    targets: target_names ?? null,
    quantiles: loss.kind === 'quantile' ? loss.quantiles : null,
    horizon: datasetFacts(dataset).horizon ?? null,
    'model.head': model.head.from,
    'number of outputs': output_size,
  };
}

/** What decides which sequences are in the splits. */
function divisionOf({ loaded, manifest }: SavedModel): string {
  const { dataset, seed } = loaded.experiment;
  const drawn = splitSeedOf(dataset);
  const { test, test_fraction, validation, limit, stride } = dataset as Readonly<Record<string, unknown>>;
  const files = manifest?.datasets.map(({ split, sha256 }) => [split, sha256]);
  const own = drawn === undefined ? null : typeof drawn === 'number' ? drawn : seed;
  return JSON.stringify([files, own, test, test_fraction, validation, limit, stride]);
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? 'none';
}

/** `count` iterables of the items of `source`, which keep those that not all have read. */
export function copiesOf<T>(
  source: Iterable<T> | AsyncIterable<T>,
  count: number,
): readonly AsyncIterable<T>[] {
  const items = (async function* () {
    yield* source;
  })();
  const queues = Array.from({ length: count }, (): Promise<IteratorResult<T, void>>[] => []);
  return queues.map(async function* (own) {
    for (;;) {
      if (own.length === 0) {
        const next = items.next();
        for (const queue of queues) queue.push(next);
      }
      const { done, value } = await (own.shift() as (typeof own)[number]);
      if (done) return;
      yield value as T;
    }
  });
}

/** The sources for each of `count` readers: a stream is read once, a file by each. */
export function sourcesFor(
  sources: readonly InputSource[],
  count: number,
): readonly (readonly InputSource[])[] {
  const bytesOf = sources.map(source => {
    let opened: Promise<ByteSource> | undefined;
    let copies: readonly AsyncIterable<Buffer>[] | undefined;
    return async (reader: number): Promise<ByteSource> => {
      const isFirst = opened === undefined;
      opened ??= source.open();
      const bytes = await opened;
      if (bytes.isFile) return isFirst ? bytes : fileBytes(source.name);
      copies ??= copiesOf(bytes.chunks, count);
      return { ...bytes, chunks: copies[reader] };
    };
  });
  return Array.from({ length: count }, (_, reader) =>
    sources.map(({ name }, i) => ({ name, open: () => bytesOf[i](reader) })),
  );
}

/** Tells once of each sequence that several models reject. */
export function onceFor<O extends RejectionOptions>({ onRejected, ...options }: O) {
  const told = new Set<number>();
  const tell: typeof onRejected = (problems, position) => {
    if (!told.has(position)) onRejected?.(problems, position);
    told.add(position);
  };
  return { ...options, onRejected: onRejected && tell };
}

/** Joins the predictions of models for the same sequences, without those that one cannot read. */
export async function* joined(
  form: PredictionForm,
  members: readonly AsyncIterable<readonly SequencePrediction[]>[],
): AsyncGenerator<readonly SequencePrediction[]> {
  const sources = members.map(member => member[Symbol.asyncIterator]());
  const waiting = members.map((): SequencePrediction[] => []);
  try {
    for (;;) {
      for (const [i, source] of sources.entries()) {
        while (waiting[i].length === 0) {
          const { done, value } = await source.next();
          if (done) return;
          waiting[i].push(...value);
        }
      }
      const found: SequencePrediction[] = [];
      while (waiting.every(({ length }) => length > 0)) {
        const next = Math.max(...waiting.map(([{ index }]) => index));
        if (waiting.every(([{ index }]) => index === next))
          found.push(
            joinedSequence(
              form,
              waiting.map(list => list.shift() as SequencePrediction),
            ),
          );
        else for (const list of waiting) if (list[0].index < next) list.shift();
      }
      if (found.length > 0) yield found;
    }
  } finally {
    for (const source of sources) await source.return?.();
  }
}

/** The metrics of several models together, and of each; those of one are its own. */
export interface Together<E extends Evaluation> extends Pick<Evaluation, 'metrics' | 'count'> {
  readonly evaluations: readonly E[];
}

/**
 * Evaluates models one after the other, and the mean of their predictions, whose metrics are those
 * of the runs without the loss. All predictions are in memory.
 * @param thresholds of the mean
 */
export async function evaluateTogether<E extends Evaluation>(
  members: readonly SavedModel[],
  evaluate: (member: SavedModel, observe?: (sequence: PredictedSequence) => void) => Promise<E>,
  thresholds: readonly number[] | undefined,
): Promise<Together<E>> {
  if (members.length === 1) {
    const evaluation = await evaluate(members[0]);
    return { ...evaluation, evaluations: [evaluation] };
  }
  const [{ loaded, manifest }] = members;
  const { experiment } = loaded;
  const loss = lossFor(experiment.loss, experiment.model);
  const task = taskOf(loss);
  const sequences = new Map<number, Sums>();
  const evaluations: E[] = [];
  for (const [i, member] of members.entries()) {
    const seen = new Set<number>();
    const observe = ({ index, id, predictions }: PredictedSequence): void => {
      seen.add(index);
      const scored = predictions.filter(({ counts }) => counts);
      const parts = scored.map(one => partsOf(task, one));
      const known = sequences.get(index);
      if (i === 0) {
        const targets = scored.map(({ target, errorScale }) => ({ target: target.slice(), errorScale }));
        const sums = parts.map(lists => lists.map(list => Float64Array.from(list)));
        sequences.set(index, { id, length: targets.length, targets, sums });
      } else if (known !== undefined) {
        refuseOthers([known, { id, length: parts.length }]);
        parts.forEach((lists, at) => lists.forEach((list, part) => addTo(known.sums[at][part], list)));
      }
    };
    evaluations.push(await evaluate(member, observe));
    for (const index of sequences.keys()) if (!seen.has(index)) sequences.delete(index);
  }
  const size = targetSize(loss, manifest?.data.output_size ?? 1);
  const metrics = accumulators(task, measuredMetrics(experiment), size);
  let count = 0;
  for (const { targets, sums } of sequences.values()) {
    for (const [at, one] of targets.entries()) {
      const means = sums[at].map(list => list.map(sum => sum / members.length));
      metrics.add({ ...one, ...scoredMean(task, means), thresholds });
      count++;
    }
  }
  return { evaluations, metrics: metrics.values, count };
}

/** The predictions of a sequence that count, summed over the models. */
interface Sums {
  readonly id: string | undefined;
  /** Number of predictions. */
  readonly length: number;
  readonly targets: readonly Pick<Scored, 'target' | 'errorScale'>[];
  readonly sums: readonly (readonly Float64Array[])[];
}

/** What is averaged: probabilities of classes; or values, and the interval if there is one. */
function partsOf(task: Task, { outputs, point, interval }: PredictedSequence['predictions'][number]) {
  return task === 'classes' ? [probabilities(outputs)] : [point, ...(interval ?? [])];
}

function scoredMean(
  task: Task,
  [mean, ...bounds]: readonly Float64Array[],
): Pick<Scored, 'outputs' | 'point' | 'interval'> {
  if (task === 'classes') return { outputs: mean.map(Math.log), point: mean };
  const outputs = task === 'labels' ? mean.map(p => Math.log(p / (1 - p))) : mean;
  const [lower, upper] = bounds;
  return { outputs, point: mean, ...(upper && { interval: [lower, upper] }) };
}
