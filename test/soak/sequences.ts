/**
 * Models that predict sequences of symbols, with random data and settings: the results do not
 * depend on threads, the width of vectors, where the data are, or an interruption; a prediction
 * does not depend on the sequences around it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { predict, type SymbolsPrediction } from '../../src/index.js';
import type { RunResult } from '../../src/train/recorder.js';
import { compareRuns, resultDigests } from '../../src/verify/resume.js';
import type { Workplace } from '../support/cli.js';
import { resume, type Trained, train, trainUntil } from '../support/runs.js';
import type { Figures } from './figures.js';

interface Example {
  readonly x: string;
  readonly y: readonly string[];
}

const letters = (text: string, sizes: { readonly minLength: number; readonly maxLength: number }) =>
  fc.array(fc.constantFrom(...text), sizes);

/** Some inputs occur more than once; some targets are empty, or too long for the loss ctc. */
const examples = (count: { readonly minLength: number; readonly maxLength: number }) =>
  fc.array(
    fc.record({
      x: letters('abc', { minLength: 1, maxLength: 7 }).map(all => all.join('')),
      y: letters('XYZ', { minLength: 0, maxLength: 6 }),
    }),
    count,
  );

const cell = fc.constantFrom('lstm', 'gru', 'rnn');
const size = fc.integer({ min: 2, max: 6 });
const layers = fc.integer({ min: 1, max: 2 });
const dropout = fc.constantFrom(0, 0.3);

const model = fc
  .record({
    cell,
    hidden_size: size,
    num_layers: layers,
    dropout,
    bidirectional: fc.boolean(),
    embedding: fc.record({ size }),
    decoder: fc.option(
      fc.record({
        cell,
        hidden_size: size,
        num_layers: layers,
        dropout,
        embedding_size: size,
        attention: fc.constantFrom('none', 'dot', 'general', 'additive'),
      }),
      { nil: undefined },
    ),
  })
  .map(({ decoder, ...encoder }) => {
    if (!decoder) return { ...encoder, head: { from: 'every' } };
    const isDot = decoder.attention === 'dot';
    const fitting = isDot ? { ...decoder, hidden_size: encoder.hidden_size } : decoder;
    return { ...encoder, bidirectional: encoder.bidirectional && !isDot, decoder: fitting };
  });

const cases = fc.record({
  model,
  given: examples({ minLength: 20, maxLength: 70 }),
  tested: examples({ minLength: 3, maxLength: 40 }),
  level: fc.constantFrom('character', 'word', undefined),
  beam: fc.integer({ min: 1, max: 4 }),
  training: fc.record({
    num_epochs: fc.integer({ min: 1, max: 2 }),
    // those of 32 or more have several shards
    batch_size: fc.integer({ min: 2, max: 50 }),
    eval_batch_size: fc.integer({ min: 1, max: 50 }),
    bucket_by_length: fc.boolean(),
  }),
  optimizer: fc.constantFrom(
    { kind: 'adam', learning_rate: 0.02 },
    { kind: 'sgd', learning_rate: 0.1, momentum: 0.9 },
  ),
  seed: fc.nat(99),
  stop: fc.integer({ min: 1, max: 6 }),
});

type Case = typeof cases extends fc.Arbitrary<infer C> ? C : never;

function linesOf(all: readonly Example[], level: string | undefined): string {
  const target = (y: readonly string[]) =>
    level === undefined ? y : y.join(level === 'character' ? '' : ' ');
  return all.map(({ x, y }) => `${JSON.stringify({ x, y: target(y) })}\n`).join('');
}

async function tryCase(work: Workplace, { given, tested, level, beam, stop, ...settings }: Case) {
  const file = (name: string, all: readonly Example[]) => work.file(name, linesOf(all, level));
  const dataset = {
    ...{ kind: 'jsonl', path: file('train.jsonl', given), test_path: file('test.jsonl', tested) },
    ...{ input: 'x', input_kind: 'text', level: 'character', target: 'y', target_kind: 'sequence' },
    ...(level && { target_level: level }),
  };
  const isDecoder = 'decoder' in settings.model;
  const config = {
    ...{ version: 1, name: 'sequences', dataset, ...settings, decode: { beam } },
    loss: isDecoder ? { kind: 'cross_entropy' } : { kind: 'ctc', on_impossible: 'skip' },
    checkpoint: { every: { steps: 1 }, keep: { last: 100 } },
  };
  const whole = await train(work, config);
  const { directory, steps } = whole.summary;
  const equal = async (what: string, other: Promise<RunResult>) => {
    const found = resultDigests((await other).summary.directory);
    if (JSON.stringify(found) !== JSON.stringify(resultDigests(directory))) throw new Error(what);
  };
  const inOtherWays: readonly (readonly [what: string, options: Trained])[] = [
    ['two threads', { threads: 2 }],
    ['vectors of 128 bits', { width: 128 }],
  ];
  for (const [what, options] of inOtherWays) await equal(what, train(work, config, options));
  await equal('data on the disk', train(work, { ...config, dataset: { ...dataset, memory: 0 } }));
  if (steps > 1) {
    const { summary } = await trainUntil(work, config, Math.min(stop, steps - 1));
    await resume(summary.directory);
    const [difference] = compareRuns(directory, summary.directory);
    if (difference) throw new Error(`resumed: ${difference.file} ${difference.what}`);
  }
  const reversed = join(work.folder(), 'reversed.jsonl');
  writeFileSync(reversed, linesOf(tested.toReversed(), level));
  const [one, other] = [await predicted(directory, dataset.test_path), await predicted(directory, reversed)];
  one.forEach((expected, i) => {
    const found = other[other.length - 1 - i];
    const isNear = Math.abs(found.probability / expected.probability - 1) < MAX_ROUNDING;
    if (found.text !== expected.text || !isNear) {
      const [was, is] = [expected, found].map(({ text, probability }) => `${text} (${probability})`);
      throw new Error(`prediction ${i} is ${is} in reversed order, not ${was}`);
    }
  });
}

/** Longer sequences in the batch change the kernels of stacked bidirectional layers. */
const MAX_ROUNDING = 1e-5;

async function predicted(directory: string, input: string): Promise<SymbolsPrediction[]> {
  const found: SymbolsPrediction[] = [];
  for await (const { predictions } of predict(directory, input, { backend: 'webasm', threads: 1 }))
    found.push(predictions[0] as SymbolsPrediction);
  return found;
}

/** Draws `count` cases by `seed`. */
export async function tryModelsOfSequences(work: Workplace, count: number, seed: number): Promise<Figures> {
  const property = fc.asyncProperty(cases, one => tryCase(work, one));
  const { failed, counterexample, errorInstance, counterexamplePath } = await fc.check(property, {
    ...{ numRuns: count, seed, endOnFailure: true },
  });
  const failures = failed
    ? [`seed ${seed}, path ${counterexamplePath}: ${errorInstance}: ${JSON.stringify(counterexample)}`]
    : [];
  return { what: `seed ${seed}`, cases: count, failures };
}
