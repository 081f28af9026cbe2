/** Configs against their data, the schemas themselves, and damaged and hostile configs. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import t from 'tap';
import { parseDocument } from 'yaml';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import {
  allKeys,
  experimentSchema,
  readSchema,
  type Schema,
  sweepSchema,
} from '../../src/config/schema/schema.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import type { Dataset } from '../../src/data/core/dataset.js';
import { type FileLabels, labelFacts } from '../../src/data/core/labels.js';
import type { Targets } from '../../src/data/core/targets.js';
import type { DatasetConfig } from '../../src/data/index.js';
import { kindOf } from '../../src/data/kinds.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import {
  classData,
  labelsOf,
  MINIMAL,
  printed,
  SAMPLES,
  splitOf,
  VALID_FOLDER,
  writerIn,
} from '../support/config-texts.js';
import { failure } from '../support/failure.js';
import { isClosed, unexplained } from '../support/schemas.js';

process.chdir(packageRoot);
const write = writerIn(t.testdir({}));

t.test('a config against its data', async t => {
  const file = write('data.yaml', MINIMAL);
  const shape = (targets: Targets, count = 100): Dataset => ({
    ...classData(0, 0),
    train: splitOf(count, targets),
    test: splitOf(10, targets),
  });
  const four = labelsOf(100, 4);
  const values = (size: number) => ({ kind: 'value', size, values: new Float32Array(10 * size) }) as const;
  const check = (data: Dataset, ...set: string[]): string[] =>
    checkAgainstData(loadExperiment(file, { set }), data).diagnostics.map(
      d => `${d.code} ${d.file === '--set' ? '--set' : 'file'} ${d.line}:${d.column}`,
    );
  t.same(checkAgainstData(loadExperiment(file), shape(four)), {
    diagnostics: [],
    warnings: [],
    sizes: { input: { kind: 'number', size: 1 }, sequenceLength: 1, outputSize: 4 },
  });
  const unevenClasses = { ...shape(four), test: splitOf(1, labelsOf(1, 6)) };
  t.equal(checkAgainstData(loadExperiment(file), unevenClasses).sizes.outputSize, 6);
  const wider = loadExperiment(file, { set: ['model.num_classes=9'] });
  t.equal(checkAgainstData(wider, shape(four)).sizes.outputSize, 9);
  t.same(check(shape(four), 'model.num_classes=3'), ['config/num-classes --set 1:19']);
  t.same(check(shape(four), 'model.num_classes=4'), []);
  t.same(check(shape(values(2))), ['config/loss-target file 5:15']);
  t.same(check(shape(four), 'loss.kind=mse'), ['config/loss-target --set 1:11']);
  t.same(check(shape({ ...four, perStep: true })), ['config/head-target file 4:1']);
  t.same(check(shape(four), 'model.head.from=every'), ['config/head-target --set 1:17']);
  t.same(check(shape(four, 9), 'training.last_batch=drop'), ['config/batch-size file 7:40']);
  t.same(check(shape(four, 9)), [], 'a partial batch may be trained on');
  const mixed = { ...shape(four), test: splitOf(1, values(1)) };
  t.same(check(mixed), ['config/split-targets file 3:1']);
  const regression = loadExperiment(file, { set: ['loss.kind=mse'] });
  t.equal(checkAgainstData(regression, shape(values(2))).sizes.outputSize, 2);
});

t.test('numbers that become 0 or 1 in float32 are rejected', async t => {
  const file = write('floats.yaml', MINIMAL);
  const told = (...set: string[]) =>
    failure(() => loadExperiment(file, { set })).diagnostics.map(({ code, message }) => `${code} ${message}`);
  const cases: [set: string, becomes: number][] = [
    ['optimizer.learning_rate=1e-39', 0],
    ['training.gradient_clip_norm=1e-50', 0],
    ['optimizer.betas=[0.9, 0.99999999]', 1],
    ['model.dropout=0.99999999999', 1],
    ['optimizer.schedule={ kind: cosine, min_learning_rate: 1e-50 }', 0],
    ['dataset={ kind: npy, x: a.npy, y: b.npy, test_fraction: 1e-320 }', 0],
  ];
  for (const [set, becomes] of cases)
    t.match(told(set), [new RegExp(`^config/float32 this number becomes ${becomes} in float32`)], set);
  const { diagnostics } = failure(() => loadExperiment(file, { set: ['optimizer.weight_decay=1e-320'] }));
  t.match(diagnostics, [{ expected: 'an absolute value of at least 1.18e-38' }]);
  for (const set of ['optimizer.betas=[0, 0.9999999]', 'optimizer.learning_rate=1e-37'])
    t.ok(loadExperiment(file, { set: [set] }), set);
});

t.test('a split whose labels are all ignored', async t => {
  const told = (train: number[], validation: number[], test: number[], ...set: string[]) => {
    const split = (labels: number[]) =>
      splitOf(labels.length, { ...labelsOf(0), values: Int32Array.from(labels) });
    const data = { train: split(train), validation: split(validation), test: split(test) };
    const loaded = loadExperiment(write('ignored.yaml', MINIMAL), { set });
    return checkAgainstData(loaded, { ...classData(0, 0), ...data }).diagnostics.map(
      d => `${d.file}:${d.line} ${d.message}`,
    );
  };
  t.same(told([0, 1, -100], [-100, 1], [0]), []);
  const [validation, ...others] = told([0, 1], [-100, -100], [0], 'loss.ignored_index=1');
  t.match(validation, /^--set:1 all labels of the validation split are ignored$/);
  t.same(others, []);
  t.match(told([-100], [0], [-100]), [
    /ignored\.yaml:3 all labels of the training split are ignored/,
    /all labels of the test split are ignored/,
  ]);
});

t.test('warns of very small splits and very large batches', async t => {
  const warnings = (train: number, test: number, validation: number, ...set: string[]) => {
    const loaded = loadExperiment(write('sizes.yaml', MINIMAL), { set });
    const held = validation > 0 && { validation: splitOf(validation, labelsOf(validation)) };
    return checkAgainstData(loaded, { ...classData(train, test), ...held }).warnings;
  };
  const told = (train: number, test: number, ...set: string[]) =>
    warnings(train, test, 0, ...set).map(d => `${d.code} ${d.file}: ${d.message}`);
  const share = 'dataset.test_fraction=0.9999';
  t.same(told(10, 90, share), []);
  t.same(told(1, 9, share, 'training.batch_size=1'), [
    'data/few-training-sequences --set: only 1 training sequence left, with 9 held out for validation and testing',
  ]);
  t.match(told(40, 801, share), [/only 40 training sequences left, with 801 held out/]);
  t.same(told(40, 800, share), []);
  t.same(told(40, 801), [], 'test data of their own may be many');
  const one = warnings(639, 64, 1, 'dataset.validation.fraction=0.001').map(d => `${d.source}: ${d.message}`);
  t.match(one, [/^dataset\.validation\.fraction=0\.001: the validation split has only 1 sequence, of 640/]);
  t.same(warnings(639, 64, 1, 'dataset.validation.count=1'), [], 'what was asked for');
  t.same(warnings(639, 64, 2, 'dataset.validation.fraction=0.003'), []);
  const both = (test: number, validation: number) =>
    warnings(1, test, validation, 'training.batch_size=1', share, 'dataset.validation.fraction=0.9').map(
      d => `${d.source}: ${d.message}`,
    );
  t.match(
    both(9, 90),
    [/^dataset\.validation\.fraction=0\.9: only 1 .* 99 held out/],
    'what takes most is shown',
  );
  t.match(both(90, 9), [/^dataset\.test_fraction/]);
  t.same(told(40, 801, share, 'dataset.limit=40'), [], 'a limit is meant');
  const batch = told(9, 9)[0];
  t.match(
    batch,
    'sizes.yaml: `batch_size` exceeds the training split (9 sequences), so an epoch is one step',
  );
  t.same(told(10, 9), []);
});

t.test('a mapping that --set adds a key to stays where it is written', async t => {
  const place = (...set: string[]) => {
    const { locator } = loadExperiment(write('place.yaml', MINIMAL), { set });
    const { file, line } = locator.atValue(['dataset'], 'x', '');
    return [file?.endsWith('place.yaml') ?? false, line];
  };
  t.same(place('dataset.limit=5'), place());
  t.equal(place()[0], true);
});

t.test('warns of a patience that exceeds the run', async t => {
  const told = (
    steps: { epochs: number; every?: number; max?: number; count?: number },
    ...set: string[]
  ) => {
    const { epochs, every, max, count = 100 } = steps;
    const file = write('patience.yaml', MINIMAL);
    const training = [`num_epochs=${epochs}`, 'batch_size=10'];
    if (every !== undefined) training.push(`evaluate_every.steps=${every}`);
    if (max !== undefined) training.push(`max_steps=${max}`);
    const loaded = loadExperiment(file, { set: [...training.map(one => `training.${one}`), ...set] });
    return checkAgainstData(loaded, classData(count, count, 9))
      .warnings.filter(d => d.code === 'config/unreached-patience')
      .map(d => d.message);
  };
  const stop = (patience: number) => `training.early_stopping.patience=${patience}`;
  t.same(told({ epochs: 5 }, stop(3)), [], 'it may run out at the fourth of five evaluations');
  t.same(told({ epochs: 5 }, stop(4)), [
    '`training.early_stopping.patience: 4` has no effect in this run: it needs 5 evaluations before the last, but the run has 5 in total',
  ]);
  const plateau = (patience: number) =>
    `optimizer.schedule={kind: plateau, metric: train.loss, patience: ${patience}}`;
  t.same(told({ epochs: 5 }, plateau(2)), [], 'the fifth epoch has the smaller rate');
  t.match(told({ epochs: 5 }, plateau(3)), [
    /^`optimizer\.schedule\.patience: 3` has no effect in this run: it needs 5 /,
  ]);
  // counted one by one, like in the training loop
  const property = fc.property(
    fc.record({
      epochs: fc.integer({ min: 1, max: 4 }),
      every: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
      max: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
      count: fc.integer({ min: 10, max: 75 }),
    }),
    ({ epochs, every, max, count }) => {
      const perEpoch = Math.ceil(count / 10);
      const last = Math.min(epochs * perEpoch, max ?? Number.POSITIVE_INFINITY);
      let evaluations = 0;
      for (let step = 1; step <= last; step++) {
        if (step % perEpoch === 0 || step === last || (every !== undefined && step % every === 0))
          evaluations++;
      }
      const steps = { epochs, count, ...(every && { every }), ...(max && { max }) };
      const reached = evaluations > 2 ? told(steps, stop(evaluations - 2)) : [];
      const [unreached = ''] = told(steps, stop(Math.max(1, evaluations - 1)));
      return reached.length === 0 && unreached.endsWith(`but the run has ${evaluations} in total`);
    },
  );
  fc.assert(property, { numRuns: 60 });
});

t.test('a shorter run to try a config is no mistake in its patience', async t => {
  const stop = 'training: { early_stopping: { metric: train.loss, patience: 9 }, num_epochs:';
  const file = write('trial.yaml', MINIMAL.replace('training: { num_epochs:', stop));
  const told = (...set: string[]) =>
    checkAgainstData(loadExperiment(file, { set }), classData(100, 100, 9))
      .warnings.filter(d => d.code === 'config/unreached-patience')
      .map(d => d.got);
  t.same(told(), ['9']);
  t.same(told('training.num_epochs=3'), []);
  t.same(told('training.max_steps=3'), []);
  t.same(told('training.num_epochs=3', 'training.early_stopping.patience=4'), ['4']);
});

t.test('suggests keys for names of other libraries and for bare numbers', async t => {
  const told = (...set: string[]) =>
    printed(failure(() => loadExperiment(write('names.yaml', MINIMAL), { set })));
  const names = [
    ['loss.kind', 'cross_entropy', 'CrossEntropyLoss', 'nn.NLLLoss'],
    ['loss.kind', 'binary_cross_entropy', 'BCEWithLogitsLoss', 'BCELoss'],
    ['loss.kind', 'huber', 'SmoothL1Loss', 'HuberLoss'],
    ['optimizer.kind', 'adam', 'torch.optim.Adam'],
    ['optimizer.schedule.kind', 'cosine', 'CosineAnnealingLR'],
    ['optimizer.schedule.kind', 'one_cycle', 'torch.optim.lr_scheduler.OneCycleLR'],
  ];
  for (const [key, meant, ...words] of names)
    for (const word of words) t.match(told(`${key}=${word}`), new RegExp(`did you mean ${meant}\\?`), word);
  t.match(told('optimizer.schedule=StepLR'), /did you mean \{ kind: step \}\?/);
  const bare: Record<string, string> = {
    'dataset.validation=0.1': '{ fraction: 0.1 }',
    'dataset.validation=5000': '{ count: 5000 }',
    'optimizer.schedule={kind: cosine, warmup: 5}': '{ epochs: 5 }',
    'optimizer.schedule={kind: step, every: 10}': '{ epochs: 10 }',
    'training.evaluate_every=50': '{ steps: 50 }',
  };
  for (const [set, meant] of Object.entries(bare)) {
    const text = told(set);
    t.ok(text.includes(`did you mean ${meant}?`), text);
    t.match(text, /has the wrong type/);
  }
  t.notMatch(told('dataset.validation=-1'), /did you mean/);
  const scaled = MINIMAL.replace(/dataset: .*/, 'dataset: { kind: npz, path: a.npz, normalize: minmax }');
  const { diagnostics } = failure(() => loadExperiment(write('scaled.yaml', scaled)));
  t.match(diagnostics, [{ code: 'config/choice', suggestion: 'min_max' }]);
  t.equal(diagnostics.length, 1);
});

t.test('a tab is a choice that can be seen and written', t => {
  const table = 'kind: csv, path: a.csv, features: [a], target: y, target_kind: class, test_path: b.csv';
  const file = write('csv.yaml', MINIMAL.replace(/dataset: .*/, `dataset: { ${table} }`));
  for (const tab of ['\t', '\\t', '"\\t"']) {
    const { dataset } = loadExperiment(file, { set: [`dataset.delimiter=${tab}`] }).experiment;
    t.equal('delimiter' in dataset && dataset.delimiter, '\t');
  }
  const { diagnostics } = failure(() => loadExperiment(file, { set: ['dataset.delimiter=\\n'] }));
  t.match(diagnostics, [{ code: 'config/choice', expected: ', | ; | "\\t" | |', got: '"\\\\n"' }]);
  t.end();
});

t.test('a key that others forbid', t => {
  const file = 'kind: jsonl, path: a.jsonl, test_path: b.jsonl, input: x, target: y';
  const told = (keys: string) => {
    const text = MINIMAL.replace(/dataset: .*/, `dataset: { ${file}, ${keys} }`);
    return failure(() => loadExperiment(write('forbidden.yaml', text))).diagnostics.map(one => one.message);
  };
  t.same(told('input_kind: number, target_kind: class, target_level: word'), [
    'the key `target_level` cannot be combined with `target_kind: class`',
  ]);
  t.same(told('input_kind: number, target_kind: Sequence, target_level: word'), [
    '`dataset.target_kind` is not one of the choices',
  ]);
  t.same(told('input_kind: number, target_kind: class, level: word'), [
    'the key `level` cannot be combined with `input_kind: number`',
  ]);
  t.same(told('input_kind: text, level: word, target_kind: class, missing: { fill: mean }'), [
    'the key `missing` cannot be combined with `input_kind: text`',
  ]);
  const table = 'kind: csv, path: a.csv, test_path: b.csv, features: [a], target: y, target_kind: class';
  const csv = MINIMAL.replace(/dataset: .*/, `dataset: { ${table}, level: word }`);
  t.match(failure(() => loadExperiment(write('forbidden.yaml', csv))).diagnostics, [
    { message: 'the key `level` needs `input_kind: text`' },
  ]);
  t.end();
});

t.test('a wrong `per_file` is one error', t => {
  const table = 'kind: csv, path: a.csv, features: [a], target: y, target_kind: class, test_path: b.csv';
  const codesOf = (sequence: string) => {
    const dataset = `dataset: { ${table}, sequence: { ${sequence} } }`;
    const file = write('per-file.yaml', MINIMAL.replace(/dataset: .*/, dataset));
    return failure(() => loadExperiment(file)).diagnostics.map(({ code }) => code);
  };
  t.same(codesOf('per_file: "yes"'), ['config/type']);
  t.same(codesOf('per_file: false'), ['config/missing-key']);
  t.same(codesOf('per_step: true'), ['config/missing-key']);
  t.same(codesOf('per_file: true, group: g'), ['config/foreign-key']);
  t.same(codesOf('blank_lines: true, group: g'), ['config/foreign-key']);
  t.same(codesOf('blank_lines: false'), ['config/missing-key']);
  t.end();
});

t.test('labels that would silently enlarge the model', async t => {
  const file = write('labels.yaml', MINIMAL);
  const train = (values: number[]): FileLabels => ({
    ignored: -100,
    firsts: new Map(values.map((label, i) => [label, i] as const).filter(([label]) => label >= 0)),
    at: index => ({ name: `y[${index}]`, value: String(values[index]), place: { file: 'a.npz' } }),
  });
  const judge = (labels: number[], test: number[], ...set: string[]) => {
    const facts = labelFacts(train(labels), train(test));
    const numClasses = Math.max(...labels, ...test) + 1;
    const data = { ...classData(10, 10, numClasses), labels: facts };
    try {
      const { diagnostics, warnings, sizes } = checkAgainstData(loadExperiment(file, { set }), data);
      return [
        ...diagnostics.map(d => d.message),
        ...warnings.map(d => `warning: ${d.message}`),
        sizes.outputSize,
      ];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.diagnostics.map(d => `${error.exitCode} ${d.file}: ${d.message} | ${d.expected}`);
    }
  };
  t.same(judge([2, 0, 1, -100], [0, 2]), [3], 'nothing to say');
  t.same(judge([3, 0, 1], [0]), [
    'warning: 1 of 4 classes have no training label: 2. If intended, set `model.num_classes: 4`',
    4,
  ]);
  t.same(judge([3, 1, 2], [1]), [
    'warning: 1 of 4 classes have no training label: 0. Labels start at 0; do yours start at 1? If intended, set `model.num_classes: 4`',
    4,
  ]);
  t.same(judge([0, 7, 1, 2, 3, 255, 4], [0, 255]), [
    '5 a.npz: y[5] is 255, but 249 of the classes 0 to 255 have no training label | labels that start at 0, or `model.num_classes: 256` if intended',
  ]);
  const one = 'warning: all training labels have the same class, so there is nothing to learn';
  t.same(judge([0, 0, -100], [0]), [one, 1]);
  t.same(judge([2, 2], [2], 'model.num_classes=4'), [one, 4]);
  t.match(judge([0, 3], [0]), [/^warning: 2 of 4 classes/, 4], 'half of the classes is not yet absurd');
  t.match(judge([0, 4], [0]), [/^5 .*y\[1\] is 4, but 3 of the classes 0 to 4/], 'more than half is');
  t.same(judge([0, 1], [1, 2, 3, 0]), [
    '5 a.npz: y[1] is 2, which is not a class of the training labels | one of the 2 classes of the training labels, or `model.num_classes: 4` if intended',
  ]);
  t.match(judge([0, 9], [12]), [/y\[1\] is 9/, /y\[0\] is 12/], 'both at once');
  t.same(judge([0, 9], [12], 'model.num_classes=20'), [20], 'a number that is given settles it');
  t.match(judge([0, 1], [0, 255], 'model.num_classes=5'), [
    /^the labels need 256 classes: y\[1\] in a\.npz is 255$/,
    5,
  ]);
  const [message] = judge([0, 9], [0], 'loss.kind=mse');
  t.match(message, /^loss mse needs value targets/, 'no label matters to mse');
});

t.test('every key of the schema has a description, and every object is closed', async t => {
  for (const schema of [experimentSchema(), sweepSchema()]) {
    const keys = allKeys(schema);
    t.ok(keys.length > 10);
    t.same(keys.flatMap(unexplained), []);
  }
  for (const schema of [experimentSchema(), readSchema('journal'), readSchema('sweep-summary')])
    t.ok(isClosed(schema), 'every object is closed');
  const { parameters, ...others } = sweepSchema().properties ?? {};
  t.ok(isClosed(others) && isClosed((parameters as Schema).additionalProperties), 'every object is closed');
});

t.test('every kind of data with random splits has a seed for them', t => {
  const { definitions } = readSchema('experiment') as { definitions?: Record<string, Schema> };
  const kinds = Object.entries(definitions ?? {}).flatMap(([name, { properties }]) => {
    const [, kind] = /^(\w+)_dataset$/.exec(name) ?? [];
    const isDivided = kind && properties?.validation && !kindOf({ kind } as DatasetConfig).dividesItself;
    return isDivided ? [[kind, 'seed' in properties] as const] : [];
  });
  t.ok(kinds.length > 5);
  t.same(
    kinds.filter(([, hasSeed]) => !hasSeed),
    [],
  );
  t.end();
});

t.test('every schema is valid', async t => {
  const metaSchema = new Ajv();
  const files = readdirSync(join(packageRoot, 'schemas')).filter(file => file.endsWith('.schema.json'));
  t.ok(files.length > 5);
  for (const file of files) {
    const name = file.replace('.schema.json', '');
    // compiling does not check schemas
    t.ok(metaSchema.validateSchema(readSchema(name)), metaSchema.errorsText());
    t.ok(validateAgainst(name, 1).length > 0, name);
  }
  t.notOk(metaSchema.validateSchema({ type: 'number', minimum: 'x' }));
});

t.test("the schema's own examples are valid", async t => {
  for (const { path, schema } of allKeys()) {
    if (path.length !== 1 || path[0] === 'extends') continue;
    for (const example of schema.examples ?? []) {
      const base = parseDocument(MINIMAL).toJS() as Record<string, unknown>;
      t.same(validateAgainst('experiment', { ...base, [path[0]]: example }), [], path[0]);
    }
  }
});

const HOSTILE: Readonly<Record<string, (size: number) => string>> = {
  brackets: repeated('['),
  closers: repeated(']'),
  commas: size => `a: [${repeated(',')(size)}`,
  quotes: repeated("''\n"),
  aliases: repeated('*a '),
  anchors: repeated('&a '),
  directives: repeated('%a\n'),
  tags: size => `a: ${repeated('!a ')(size)}`,
  colons: repeated(':\n'),
  'one key': repeated('a'.repeat(47)),
  'many keys': size => Array.from({ length: size / 5.5 }, (_, i) => `${i.toString(36)}:`).join('\n'),
  'replacement characters': size => repeated('# \uFFFD\n')(size / 2),
};

function repeated(piece: string): (size: number) => string {
  return size => piece.repeat(Math.floor(size / piece.length));
}

t.test('hostile files are rejected', async t => {
  for (const [name, text] of Object.entries(HOSTILE)) {
    const { exitCode } = failure(() => loadExperiment(write('hostile.yaml', text(65_000))));
    t.equal(exitCode, 2, name);
  }
  const wide = Array.from({ length: 31 }, () => 'wide.yaml').join(', ');
  const file = write('wide-top.yaml', `extends: [${wide}]\n`);
  write('wide.yaml', `extends: [wide-leaf.yaml, wide-leaf.yaml]\n`);
  write('wide-leaf.yaml', 'seed: 1\n');
  t.match(printed(failure(() => loadExperiment(file))), /`extends` includes too many files/);
});

/**
 * Any character except surrogates. fast-check's own `binary` first builds a table of all
 * characters, which takes seconds.
 */
const character = fc
  .integer({ min: 0, max: 0x10ffff })
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code));

t.test('any damaged config leads to a UserError or a result', async () => {
  const texts = [
    ...SAMPLES.map(name => readFileSync(join('configs', name), 'utf8')),
    readFileSync(`${VALID_FOLDER}/anchors.yaml`, 'utf8'),
    readFileSync(`${VALID_FOLDER}/same-as-base.json`, 'utf8'),
  ];
  const words = `[ ] { } : " ' | > # & * % < , \n \t \0 \uFEFF --- <<: ... !t *a &a null 1e999 -1 "__proto__":`;
  const pieces = [...words.split(' '), '- ', '? ', ': ', '  ', '\n', '\t'];
  const edit = fc.record({
    at: fc.nat(1500),
    remove: fc.nat(12),
    insert: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6, unit: character })),
    times: fc.integer({ min: 1, max: 40 }),
  });
  const mutated = fc
    .tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([text, edits]) =>
      edits.reduce((now, { at, remove, insert, times }) => {
        const from = at % (now.length + 1);
        return now.slice(0, from) + insert.repeat(times) + now.slice(from + remove);
      }, text),
    );
  fc.assert(
    fc.property(mutated, text => {
      const file = write('mutated.yaml', text);
      try {
        loadExperiment(file);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (error.exitCode !== 2 || error.diagnostics.length === 0) throw new Error('an empty error');
        printed(error);
      }
    }),
    { numRuns: 200, seed: 20260101 },
  );
});

t.test('any --set leads to a UserError or a result', async () => {
  const file = write('set.yaml', MINIMAL);
  const keys = allKeys().map(({ path }) => path.join('.'));
  const value = fc.oneof(
    fc.constantFrom('1', 'x', '[1]', '{a: 1}', 'null', '.nan', '', '*a', '&a 1'),
    fc.string(),
  );
  const key = fc.oneof(fc.constantFrom(...keys), fc.string());
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(key, value).map(([k, v]) => `${k}=${v}`),
        { maxLength: 4 },
      ),
      set => {
        try {
          loadExperiment(file, { set });
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      },
    ),
    { numRuns: 200, seed: 20260102 },
  );
});
