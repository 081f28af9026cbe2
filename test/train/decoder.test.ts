/** Models with a decoder through the command line: training, evaluation, predictions, messages. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadModel } from '../../src/index.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { compareRuns } from '../../src/verify/resume.js';
import { jsonLines } from '../support/cli.js';
import { resume, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const random = RandomStream.of(1, 'test/decoder');

/** Words of one to four letters, each with itself backwards. */
function words(count: number): string {
  const lines = Array.from({ length: count }, () => {
    const word = Array.from({ length: 1 + random.integer(4) }, () => 'abc'[random.integer(3)]).join('');
    return JSON.stringify({ word, reversed: [...word].reverse().join('') });
  });
  return `${lines.join('\n')}\n`;
}

const test = words(60);
const testPath = work.file('test.jsonl', test);

const config = {
  dataset: {
    kind: 'jsonl',
    path: work.file('train.jsonl', words(400)),
    test_path: testPath,
    input: 'word',
    input_kind: 'text',
    level: 'character',
    target: 'reversed',
    target_kind: 'sequence',
    target_level: 'character',
  },
  model: {
    cell: 'gru',
    hidden_size: 16,
    bidirectional: true,
    embedding: { size: 4 },
    decoder: { cell: 'gru', hidden_size: 16, num_layers: 2, embedding_size: 4, dropout: 0.1 },
  },
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  training: { num_epochs: 10, batch_size: 32, eval_batch_size: 32, log_every: 1, bucket_by_length: true },
  checkpoint: { every: { steps: 4 }, keep: { last: 100 } },
};

const webasm = ['--backend', 'webasm', '--threads', '2'];

t.test('a decoder learns, and writes what the evaluation measured', async t => {
  const run = await work.train(config, ...webasm);
  if (!t.equal(run.code, 0, run.finished.stderr)) return;
  const { sequence_accuracy: accuracy = 0 } = run.summary.metrics.test;
  t.ok(accuracy > 0.9, `accuracy ${accuracy}`);

  const evaluated = await work.cellrun('predict', run.directory);
  const predictions = jsonLines(evaluated.stdout);
  // rows with the same word are one prediction
  const found = new Map(predictions.map(({ text, target }) => [target.join(''), text]));
  const right = [...found].filter(([target, text]) => target === text).length;
  t.ok(Math.abs(right / found.size - accuracy) < 1e-9, 'predict is evaluate');

  const { stdout } = await work.cellrun('evaluate', run.directory, '--json');
  t.equal(JSON.parse(stdout).predictions, found.size);
  const document = JSON.parse(readFileSync(join(run.directory, 'evaluation.json'), 'utf8'));
  t.match(document, { predictions: found.size, inputs: found.size });
  const aligned = await work.cellrun('predict', run.directory, '--alignment');
  const ofSplit = jsonLines(aligned.stdout);
  const misread = document.misread.map(({ index }: { index: number }) => index);
  t.ok(document.alignments.slice(8).every(({ index }: { index: number }) => misread.includes(index)));
  for (const { index, steps, input, predicted, weights } of document.alignments) {
    const { alignment, target } = ofSplit[index];
    t.same(input, target.toReversed());
    const bytes = Buffer.from(weights, 'base64');
    const rows = predicted.map((_: number, i: number) => [...bytes.subarray(i * steps, (i + 1) * steps)]);
    t.same(
      rows.map((row: number[]) => row.indexOf(Math.max(...row))),
      alignment,
    );
    t.ok(rows.every((row: number[]) => Math.abs(row.reduce((a, b) => a + b) - 255) <= steps));
  }

  const fromFile = await work.cellrun('predict', run.directory, '--input', testPath);
  t.same(
    jsonLines(fromFile.stdout).map(({ text }) => text),
    predictions.map(({ text }) => text),
    'new sequences are decoded like those of the split',
  );

  const ranked = await work.cellrun('predict', run.directory, '--limit', '3', '--top', '3', '--alignment');
  const documented = readFileSync(join(packageRoot, 'docs/reference/predictions.md'), 'utf8');
  const fields = Object.keys(jsonLines(ranked.stdout)[0]);
  t.same(
    fields.filter(field => !documented.split('\n').some(row => row.split('|')[1]?.includes(`\`${field}\``))),
    [],
    'the reference has every field',
  );
  for (const { symbols, probability, top, alignment } of jsonLines(ranked.stdout)) {
    t.equal(alignment.length, symbols.length);
    t.ok(alignment.every((step: number) => step >= 0 && step < symbols.length));
    t.equal(top.length, 3);
    t.same({ symbols, probability }, { symbols: top[0].symbols, probability: top[0].probability });
    t.equal(new Set(top.map((one: { text: string }) => one.text)).size, 3, 'three different ones');
  }
});

t.test('an interrupted run continues to the same bytes', async t => {
  const short = { ...config, training: { ...config.training, num_epochs: 1 } };
  const whole = (await train(work, short)).summary.directory;
  const { directory } = (await trainUntil(work, short, 7)).summary;
  await resume(directory);
  t.same(compareRuns(whole, directory), []);
  const inThreads = (await train(work, short, { threads: 2 })).summary.directory;
  const file = 'evaluation.json';
  t.equal(readFileSync(join(inThreads, file), 'utf8'), readFileSync(join(whole, file), 'utf8'), 'in threads');
});

t.test('without attention there is no alignment', async t => {
  const { cell, hidden_size, embedding, decoder } = config.model;
  const model = { cell, hidden_size, embedding, decoder: { ...decoder, attention: 'none' } };
  const { summary } = await train(work, { ...config, model, training: { num_epochs: 1, batch_size: 100 } });
  const refused = await work.cellrun('predict', summary.directory, '--alignment');
  t.match(refused, { code: 2, stderr: /^--alignment: .* a decoder with attention/ });
  const { stdout } = await work.cellrun('predict', summary.directory, '--limit', '1');
  t.notOk('alignment' in jsonLines(stdout)[0]);
});

t.test('a decoder does not predict step by step', async t => {
  const model = { ...config.model, bidirectional: false, hidden_size: 4 };
  const short = { ...config, model, training: { ...config.training, num_epochs: 1 } };
  const { summary } = await train(work, short);
  const loaded = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => loaded.close());
  t.throws(() => loaded.session(), { exitCode: 2, message: /a decoder reads the whole sequence first/ });
});

t.test('a decoder does not fit every config', async t => {
  const decoder = (more: object) => ({ ...config.model, decoder: { ...config.model.decoder, ...more } });
  for (const [change, message] of [
    [{ loss: { kind: 'mse' } }, /a model with a decoder needs loss cross_entropy, not mse/],
    [{ loss: { kind: 'ctc' } }, /a model with a decoder needs loss cross_entropy, not ctc/],
    [
      { model: decoder({ hidden: 3 }), training: { ...config.training, metrics: ['token_error_rate'] } },
      /unknown key `hidden`/,
    ],
    [{ model: decoder({ cell: 'min_gru' }) }, /min_gru/],
    [{ loss: { kind: 'cross_entropy', class_weights: 'balanced' } }, /class_weights/],
    [{ loss: { kind: 'cross_entropy', ignored_index: 1 } }, /`model.decoder` and `ignored_index`/],
    [{ model: { ...config.model, head: { from: 'mean' } } }, /`model.decoder` and `head.from`/],
    [{ model: decoder({ attention: 'dot' }) }, /`attention: dot` needs .*expected: `attention: general`/s],
    [
      {
        model: { ...config.model, bidirectional: false },
        training: { ...config.training, carry_state: true, shuffle: false, bucket_by_length: false },
      },
      /`model.decoder` and `carry_state`/,
    ],
    [
      { dataset: { ...config.dataset, target_kind: 'class', target_level: undefined } },
      /a decoder needs sequence targets, but the dataset has class targets/,
    ],
  ] as const) {
    const path = work.config({ ...config, ...change });
    const { code, stderr } = await work.cellrun('validate', path);
    t.equal(code, 2);
    t.match(stderr, message);
    t.equal(stderr.match(/^\S+:\d+:\d+: /gm)?.length, 1, stderr);
  }
});

t.test('warns of a limit below the longest target', async t => {
  const validate = (limit: number) => work.cellrun('validate', work.config({ ...config, decode: { limit } }));
  t.match(await validate(3), {
    code: 0,
    stderr: /`decode.limit` is 3, but the longest target has 4 symbols/,
  });
  t.notMatch((await validate(4)).stderr, /limit/);
});
