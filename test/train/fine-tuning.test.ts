/** Runs that start from the weights of a file or another run: what is loaded, frozen and kept. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadCheckpoint } from '../../src/run/checkpoints.js';
import { readSafetensors } from '../../src/run/safetensors.js';
import { packageRoot } from '../../src/util/root.js';
import { compareRuns } from '../../src/verify/resume.js';
import { readLog } from '../support/cli.js';
import { relativeError } from '../support/goldens.js';
import { resume, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const fixtures = join(packageRoot, 'test/fixtures');
const weights = join(fixtures, 'fine-tuning/weights.safetensors');
const tagging = {
  dataset: {
    kind: 'jsonl',
    path: join(fixtures, 'steps/train.jsonl'),
    test_path: join(fixtures, 'steps/test.jsonl'),
    input: 'x',
    input_kind: 'number',
    target: 'y',
    target_kind: 'value',
    per_step: true,
    id: 'name',
  },
  model: {
    cell: 'gru',
    hidden_size: 5,
    num_layers: 2,
    head: { from: 'every' },
    init_from: {
      path: weights,
      rename: [
        { from: 'encoder.rnn.*', to: 'gru.*' },
        { from: 'classifier.*', to: 'fc.*' },
      ],
    },
  },
  loss: { kind: 'binary_cross_entropy' },
  optimizer: {
    kind: 'sgd',
    momentum: 0.9,
    weight_decay: 0.01,
    learning_rate: 0.02,
    schedule: { kind: 'step', every: { steps: 5 }, factor: 0.5 },
    parameter_groups: [{ parameters: ['fc.*'], learning_rate: 0.1 }],
  },
  training: {
    num_epochs: 3,
    batch_size: 6,
    shuffle: false,
    log_every: 1,
    gradient_clip_norm: 0.1,
    freeze: ['*_l0'],
  },
  checkpoint: { final: 'last', metric: 'train.loss' },
};

const losses = (directory: string) =>
  readLog(directory).flatMap(line => (line.event === 'train.step' ? [Number(line.loss)] : []));

t.test('frozen layers, parameter groups and clipping train as in PyTorch', async t => {
  const golden = JSON.parse(readFileSync(join(fixtures, 'fine-tuning/losses.json'), 'utf8'));
  const { momentum: _, ...optimizer } = tagging.optimizer;
  const adamw = { ...tagging, optimizer: { ...optimizer, kind: 'adamw', weight_decay: 0.1 } };
  for (const config of [tagging, adamw]) {
    const { kind } = config.optimizer;
    const { summary } = await train(work, config);
    const error = relativeError(losses(summary.directory), golden[kind]);
    t.ok(error < 1e-6, `${kind}: ${error}`);
    const { tensors } = loadCheckpoint(join(summary.directory, summary.checkpoints.last ?? ''));
    for (const [name, { data }] of readSafetensors(weights).tensors) {
      const own = tensors.get(name.replace('encoder.rnn.', 'gru.'))?.data;
      if (name.endsWith('_l0')) t.same(own, data, `${name} keeps its bytes`);
      else if (name.startsWith('encoder')) t.notSame(own, data, name);
    }
    t.match(
      readLog(summary.directory).find(({ event }) => event === 'weights.loaded'),
      { loaded: 10, random: '', unused: 'pooler.bias, pooler.weight' },
    );
  }
});

t.test('a fine-tuned run resumes exactly, without the weights it started from', async t => {
  const copy = work.file('copy.safetensors', readFileSync(weights));
  const model = { ...tagging.model, init_from: { ...tagging.model.init_from, path: copy } };
  const config = { ...tagging, model, checkpoint: { ...tagging.checkpoint, every: { steps: 2 } } };
  const whole = await train(work, config);
  const stopped = await trainUntil(work, config, 5);
  rmSync(copy);
  const resumed = await resume(stopped.summary.directory);
  t.same(compareRuns(whole.summary.directory, resumed.summary.directory), []);
});

t.test('a new head on the layers of a run', async t => {
  const parent = await train(work, { ...tagging, training: { num_epochs: 1, batch_size: 6 } });
  const { directory } = parent.summary;
  const init_from = { path: directory, skip: ['fc.*'] };
  const { freeze: _, ...training } = tagging.training;
  const child = await train(work, { ...tagging, model: { ...tagging.model, init_from }, training });
  const { initial_weights } = JSON.parse(
    readFileSync(join(child.summary.directory, 'manifest.json'), 'utf8'),
  );
  const random = ['fc.weight', 'fc.bias'];
  t.match(initial_weights, { name: directory, run_id: parent.summary.run_id, run_step: 4, random });
  const event = readLog(child.summary.directory).find(({ event }) => event === 'weights.loaded');
  t.match(event, { name: directory, loaded: 8, random: random.join(', '), unused: '' });
});

const LETTERS = { text: 'abcabcabdabcabc\n', other: 'abcxabcxabcxabyx\n', swapped: 'zbczbczbdzbczbc\n' };

const text = (path: string, more: object = {}) => ({
  dataset: {
    kind: 'text',
    path: work.file(path, LETTERS[path as keyof typeof LETTERS].repeat(20)),
    level: 'character',
    sequence_length: 8,
    test_fraction: 0.1,
  },
  model: { embedding: { size: 3 }, cell: 'gru', hidden_size: 4, head: { from: 'every' }, ...more },
  training: { num_epochs: 1, batch_size: 4 },
  checkpoint: { final: 'last', metric: 'train.loss' },
});

/** What a run starts from: its first update is as small as float32 can tell. */
const started = async (config: object) => {
  const { summary } = await train(work, { ...config, optimizer: { kind: 'sgd', learning_rate: 1e-30 } });
  const { directory } = summary;
  const { tensors } = loadCheckpoint(join(directory, summary.checkpoints.last ?? ''));
  const { data } = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
  return { tensors, symbols: data.vocabulary.symbols as string[] };
};

t.test('the vocabulary of a run is kept, or extended by new symbols', async t => {
  const parent = await train(work, text('text'));
  const path = parent.summary.directory;
  const { tensors: before } = loadCheckpoint(join(path, parent.summary.checkpoints.last ?? ''));
  const known = ['<unk>', 'b', 'a', 'c', '\n', 'd'];

  const kept = await started(text('other', { init_from: { path, vocabulary: 'keep' } }));
  t.strictSame(kept.symbols.toSorted(), known.toSorted());
  t.same(kept.tensors.get('embedding.weight')?.data, before.get('embedding.weight')?.data);

  const extended = await started(text('other', { init_from: { path, vocabulary: 'extend' } }));
  t.strictSame(extended.symbols, [...kept.symbols, 'x', 'y'], 'new symbols follow, by frequency');
  for (const name of ['embedding.weight', 'fc.weight', 'fc.bias']) {
    const [old, now] = [before, extended.tensors].map(tensors => [...(tensors.get(name)?.data ?? [])]);
    t.same(now.slice(0, old.length), old, `${name} of known symbols`);
    t.equal(now.length, (old.length / known.length) * (known.length + 2));
    t.ok(
      now.slice(old.length).every(value => value !== 0),
      'others are random',
    );
  }
  t.same(extended.tensors.get('gru.weight_hh_l0')?.data, before.get('gru.weight_hh_l0')?.data);
});

t.test('the scaling of a run is kept', async t => {
  const parent = await train(work, { ...tagging, dataset: { ...tagging.dataset, normalize: 'standard' } });
  const path = parent.summary.directory;
  const scalingOf = (directory: string) =>
    JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')).scaling;
  const dataset = { ...tagging.dataset, normalize: 'standard', limit: 6 };
  for (const scaling of ['keep', undefined]) {
    const init_from = { path, ...(scaling && { scaling }) };
    const child = await train(work, { ...tagging, dataset, model: { ...tagging.model, init_from } });
    const [own, given] = [child.summary.directory, path].map(scalingOf);
    if (scaling) t.same(own, given);
    else t.notSame(own, given);
  }
});

t.test('the scaling of a run is that of as many features', async t => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 9},${i % 5},${i % 4}`);
  const path = work.file('columns.csv', ['a,b,y', ...rows].join('\n'));
  const columns = (features: string[], more: object, init_from?: object) => ({
    dataset: {
      ...{ kind: 'csv', path, features, target: 'y', target_kind: 'value', test_fraction: 0.2 },
      ...{ normalize: 'standard', ...more },
    },
    model: { cell: 'gru', hidden_size: 3, ...(init_from && { init_from }) },
    loss: { kind: 'mse' },
    training: { num_epochs: 1, batch_size: 4 },
    checkpoint: { final: 'last', metric: 'train.loss' },
  });
  for (const more of [{}, { missing: { fill: 'mean' } }]) {
    const parent = await train(work, columns(['a', 'b'], more));
    const init_from = { path: parent.summary.directory, scaling: 'keep', skip: ['gru.*'] };
    await train(work, columns(['b', 'a'], more, init_from));
    const { code, stderr } = await work.cellrun('validate', work.config(columns(['a'], more, init_from)));
    t.match(
      { code, stderr },
      { code: 2, stderr: /another number of features(.|\n)*2 features(.|\n)*1 feat/ },
    );
  }
});

t.test('a run without its manifest is damaged', async t => {
  const { directory } = (await train(work, text('text'))).summary;
  rmSync(join(directory, 'manifest.json'));
  for (const init_from of [{ path: directory }, { path: directory, vocabulary: 'keep' }]) {
    const { code, stderr } = await work.cellrun('validate', work.config(text('text', { init_from })));
    t.match({ code, stderr }, { code: 5, stderr: /manifest\.json/ });
  }
});

t.test('what does not fit is one located error that lists all of it', async t => {
  const { rename, ...plain } = tagging.model.init_from;
  const withInit = (init_from: unknown) => ({ ...tagging, model: { ...tagging.model, init_from } });
  const file = work.file('plain.safetensors', readFileSync(weights));
  const letters = await train(work, text('text'));
  const cases: readonly [what: string, config: object, told: RegExp][] = [
    [
      'no rules',
      withInit({ path: file }),
      /'gru\.weight_ih_l0' does not fit the model; the file also has classifier\.bias, .* and 4 more(.|\n)*init_from\.skip(.|\n)*'fc\.bias' does not fit/,
    ],
    [
      'a pattern for nothing',
      withInit({ ...plain, rename, skip: ['head.*'] }),
      /:\d+:\d+: `head\.\*` names no parameter(.|\n)*gru\.weight_ih_l0 \| /,
    ],
    [
      'two tensors of one name',
      withInit({ ...plain, rename: [{ from: '*', to: 'fc.bias' }] }),
      /two tensors are named 'fc\.bias'/,
    ],
    [
      'a vocabulary of a file',
      withInit({ path: file, vocabulary: 'keep' }),
      /a file of weights, which has no vocabulary/,
    ],
    [
      'nothing to load',
      withInit({ ...plain, rename, only: ['fc.*'], skip: ['fc.*'] }),
      /:\d+:\d+: no parameter is left to load/,
    ],
    [
      'other symbols, as many',
      text('swapped', { init_from: { path: letters.summary.directory } }),
      /:\d+:\d+: .*the symbols of this run are not those of the data(.|\n)*init_from\.vocabulary/,
    ],
    ['a folder that is no run', withInit({ path: fixtures }), /not a run|no run|does not exist/],
    [
      'freezing all',
      { ...tagging, training: { ...tagging.training, freeze: ['*'] } },
      /no parameter is left to train/,
    ],
    [
      'freezing nothing',
      { ...tagging, training: { ...tagging.training, freeze: ['lstm.*'] } },
      /:\d+:\d+: `lstm\.\*` names no parameter/,
    ],
  ];
  for (const [what, config, told] of cases) {
    const [file, output] = [work.config(config), work.folder()];
    for (const args of [
      ['validate', file],
      ['run', file, '--output', output],
    ]) {
      const { code, stderr } = await work.cellrun(...args);
      t.equal(code, 2, `${args[0]}: ${what}`);
      t.match(stderr, told, what);
    }
    t.same(readdirSync(output), [], 'no run directory');
  }
});
