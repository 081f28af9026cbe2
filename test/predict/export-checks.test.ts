/**
 * What is checked when a predictor is exported: that it reproduces the test predictions of a
 * finished run. The tests need Debian's python3-onnxruntime, python3-onnx and python3-torch.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { optionalFile } from '../../src/util/root.js';
import { exportRun, lacksPython, PYTHON } from '../soak/exports.js';
import { config, crossEntropy, noise } from '../support/prediction-cases.js';
import { copies, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

/** Recordings of 1 to 7 steps; some values are missing. */
const rows = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 1 + ((i * 5) % 7) }, (_, step) => {
    const at = i * 11 + step;
    return [
      `r${i}`,
      step,
      noise(at) > 0.3 ? '' : 1000 + noise(at + 7) * 5,
      noise(at + 99),
      i % 3 ? 'a' : 'b',
    ];
  }),
).flat();
const path = work.file('table.csv', `${['id,t,x,y,kind', ...rows.map(row => row.join())].join('\n')}\n`);
const withoutHoles = readFileSync(path, 'utf8').replaceAll(',,', ',1,');
const table = config(
  {
    ...{ kind: 'csv', path, sequence: { group: 'id', order: 't' }, features: ['x', 'y'] },
    ...{ target: 'kind', target_kind: 'class', normalize: 'standard', test: { fraction: 0.3 } },
    missing: { fill: 'forward', elapsed: true },
  },
  crossEntropy,
  {
    cell: undefined,
    hidden_size: undefined,
    layers: [
      { cell: 'lstm', hidden_size: 6, bidirectional: true },
      { cell: 'gru', hidden_size: 5, bidirectional: true },
    ],
    head: { from: 'final' },
  },
  { num_epochs: 2 },
);
/** Without missing values. */
const plain = config(
  {
    ...{ kind: 'csv', path: work.file('plain.csv', withoutHoles), sequence: { group: 'id', order: 't' } },
    ...{ features: ['x', 'y'], target: 'kind', target_kind: 'class', test: { fraction: 0.3 } },
  },
  crossEntropy,
  { cell: 'gru', hidden_size: 4, head: { from: 'last' } },
);
const words = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 1 + (i % 6) }, (_, k) => 'abcdef'[(i * 7 + k * 3) % 6]).join(''),
);
const lines = words.map(x => JSON.stringify({ x, y: x.replaceAll('a', '') }));
const embedding = { size: 4 };
const decoder = config(
  {
    ...{ kind: 'jsonl', path: work.file('words.jsonl', `${lines.join('\n')}\n`), test: { fraction: 0.3 } },
    ...{ input: 'x', input_kind: 'text', level: 'character' },
    ...{ target: 'y', target_kind: 'sequence', target_level: 'character' },
  },
  crossEntropy,
  {
    ...{ embedding, bidirectional: true },
    decoder: { cell: 'lstm', hidden_size: 4, num_layers: 2, embedding_size: 3, attention: 'general' },
  },
);
const carried = config(
  {
    ...{ kind: 'text', path: work.file('text.txt', [...words, ...words, ...words].join(' ')) },
    ...{ level: 'character', test_fraction: 0.2, sequence_length: 12 },
  },
  crossEntropy,
  { cell: 'min_lstm', hidden_size: 6, num_layers: 2, embedding, head: { from: 'every' } },
  { carry_state: true, shuffle: false, eval_batch_size: 8 },
);
const trained = copies(work, () => train(work, table));

for (const [name, config] of Object.entries({ table, decoder, carried })) {
  const directory = train(work, config).then(({ summary }) => summary.directory);
  t.test(`ONNX Runtime verifies the predictions: ${name}`, { skip: lacksPython('onnx') }, async t => {
    const { folder, ...verified } = await exportRun(work, await directory, 'onnx', '/usr/bin');
    const runtime = optionalFile('onnxruntime-node') ? 'onnxruntime-node' : 'onnxruntime 1\\S* of Python';
    const stderr = new RegExp(`^Verified with ${runtime}: the predictions of \\d+ test seq`, 'm');
    t.match(verified, { code: 0, stderr });
    const files = name === 'decoder' ? ['decoder.onnx', 'encoder.onnx'] : ['model.onnx'];
    t.same(readdirSync(folder).sort(), files);
    t.same(
      verified.stdout.trim().split('\n').sort(),
      files.map(file => join(folder, file)),
    );
    const { metrics } = JSON.parse(readFileSync(join(await directory, 'summary.json'), 'utf8'));
    for (const file of files)
      t.ok(readFileSync(join(folder, file)).includes(JSON.stringify(metrics)), 'its metrics');
    // its parser and that of ONNX Runtime cannot be in one process
    const check = 'import sys, onnx\nfor f in sys.argv[1:]: onnx.checker.check_model(f, full_check=True)';
    execFileSync(PYTHON, ['-c', check, ...files.map(file => join(folder, file))], { stdio: 'pipe' });
  });

  t.test(`PyTorch verifies the predictions: ${name}`, { skip: lacksPython('pytorch') }, async t => {
    const verified = await exportRun(work, await directory, 'pytorch', '/usr/bin');
    t.match(verified, { code: 0, stderr: /^Verified with PyTorch 2\S*: the predictions of \d+ test seq/m });
    const module = readFileSync(join(verified.folder, 'modeling.py'), 'utf8');
    const steps = [...module.matchAll(/^def (\w+)\(weights, x/gm)].map(([, cell]) => cell);
    t.same(steps, name === 'carried' ? ['min_lstm'] : [], 'the cells that it needs');
    const card = readFileSync(join(verified.folder, 'README.md'), 'utf8');
    t.match(card, /^Verified with PyTorch 2\S*: the predictions of \d+ test sequences agree/m);
  });
}

/** Predicts each of a list; prints the errors. */
const TELLS = `import json, sys, modeling
def tell(given):
    try:
        modeling.load().predict(given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
print(json.dumps([tell(given) for given in json.loads(sys.argv[1])]))`;

t.test('a folder for PyTorch refuses what `predict` refuses', { skip: lacksPython('pytorch') }, async t => {
  const [row, next] = [1, 2].map(t => ({ t, x: 1000, y: 0.1 }));
  const noSteps = 'ValueError: a sequence has no steps';
  const cases: readonly (readonly [config: object, told: readonly (readonly [given: unknown, string?])[]])[] =
    [
      [
        table,
        [
          [[[row, { ...next, x: null }]]],
          [[[{ t: 1, x: 1000, z: 1 }]], "KeyError: 'y'"],
          [[[[1000, 0.1]]], 'ValueError: step 0 has 2 values, not 3'],
          [[[[1000, 0.1, 0, 5]]], 'ValueError: step 0 has 4 values, not 3'],
          [[[]], noSteps],
        ],
      ],
      [plain, [[[[{ ...row, y: null }]], 'ValueError: a value of y is missing, and the model fills none']]],
      [
        decoder,
        [
          [['ab?!'], "ValueError: symbols that do not occur in the training split: ['!', '?']"],
          [[[1, 2]], 'ValueError: symbols that do not occur in the training split: [1, 2]'],
          [[''], noSteps],
        ],
      ],
    ];
  for (const [config, told] of cases) {
    const { directory } = (await train(work, config)).summary;
    const { folder } = await exportRun(work, directory, 'pytorch');
    const given = JSON.stringify(told.map(([one]) => one));
    const found = execFileSync(PYTHON, ['-c', TELLS, given], { cwd: folder, encoding: 'utf8' });
    t.same(
      JSON.parse(found),
      told.map(([, error = null]) => error),
    );
  }
});

t.test('a JavaScript module is verified', async t => {
  for (const config of [table, decoder]) {
    const { directory } = (await train(work, config)).summary;
    const verified = await exportRun(work, directory, 'js');
    t.match(verified, { code: 0, stderr: /^Verified with the engine of the module: .* are equal\.$/m });
  }
});

t.test('nothing is written unless it reproduces the predictions', async t => {
  const directory = await trained();
  const formats = {
    onnx: /^Not verified: neither the package 'onnx/m,
    pytorch: /^Not verified: python3 cannot import torch \(spawn python3 ENOENT\); install Python/m,
  };
  for (const [format, stderr] of Object.entries(formats)) {
    if (format === 'onnx' && optionalFile('onnxruntime-node')) continue;
    const { folder, ...told } = await exportRun(work, directory, format);
    t.match(told, { code: 0, stderr }, format);
    if (format === 'pytorch') t.match(readFileSync(join(folder, 'README.md'), 'utf8'), stderr, 'its card');
    const zeros = Buffer.alloc(18 * 2 * 4).toString('base64');
    const answer = format === 'onnx' ? `{"logits":["float32",[18,2],"${zeros}"]}` : `"${zeros}"`;
    const programs: readonly (readonly [script: string, problem: RegExp])[] = [
      [`while read line; do echo '${answer}'; done`, /does not reproduce the test predictions of its run/],
      ['read line; echo no attribute >&2', /the exported model cannot be run\s+got: no attribute/],
    ];
    for (const [script, problem] of programs) {
      const bin = work.folder();
      writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho '"2"'\n${script}\n`, { mode: 0o755 });
      const { folder, ...refused } = await exportRun(work, directory, format, bin);
      t.match(refused, { code: 5, stderr: problem }, format);
      t.same(readdirSync(folder), []);
    }
  }
});

t.test('cells that PyTorch reads otherwise are noticed', { skip: lacksPython('pytorch') }, async t => {
  const words = config(
    {
      ...{ kind: 'csv', path, sequence: { group: 'id', order: 't' }, test: { fraction: 0.3 } },
      ...{ features: ['x', { column: 't', encode: 'one_hot' }], normalize: 'standard' },
      ...{ target: 'kind', target_kind: 'class', missing: { markers: [-999] } },
    },
    crossEntropy,
  );
  const { directory } = (await train(work, words)).summary;
  const changes = {
    nothing: ['', /^Verified with PyTorch/m],
    'numbers that are categories': ['s/written(float(text))$/text + ".0"/', /does not reproduce/],
    'markers of missing values': ['s/set(markers or ())/set()/', /does not reproduce/],
    'what is read': ['s/return float(value)/return float(value) + "1"/', /cannot be run\s+got: TypeError/],
  } as const;
  for (const [what, [change, stderr]] of Object.entries(changes)) {
    const bin = work.folder();
    const script = `#!/bin/sh\n/usr/bin/sed -i '${change}' "$2/modeling.py"\nexec ${PYTHON} "$@"\n`;
    writeFileSync(join(bin, 'python3'), script, { mode: 0o755 });
    t.match(await exportRun(work, directory, 'pytorch', bin), { stderr }, what);
  }
});

t.test('runs that are damaged, not finished, or no runs', async t => {
  const unfinished = (await trainUntil(work, table, 2)).summary.directory;
  const weights = await trained();
  const checkpoints = join(weights, 'checkpoints');
  for (const name of readdirSync(checkpoints).filter(name => name.endsWith('.safetensors'))) {
    const content = readFileSync(join(checkpoints, name));
    content[content.length - 9] ^= 1;
    writeFileSync(join(checkpoints, name), content);
  }
  const data = await trained();
  const manifest = JSON.parse(readFileSync(join(data, 'manifest.json'), 'utf8'));
  manifest.scaling.features.offset[0] += 1;
  writeFileSync(join(data, 'manifest.json'), JSON.stringify(manifest));
  const runs: readonly (readonly [what: string, run: string, code: number, problem: RegExp])[] = [
    ['a run that was stopped', unfinished, 2, /this run is not finished: it is interrupted/],
    ['a damaged checkpoint', weights, 5, /safetensors/],
    ['a changed manifest', data, 5, /manifest/],
    ['another folder', work.folder(), 2, /no run/],
  ];
  for (const [what, run, code, stderr] of runs)
    for (const format of ['onnx', 'pytorch', 'js']) {
      const { folder, ...refused } = await exportRun(work, run, format);
      t.match(refused, { code, stderr }, `${what}: ${format}`);
      t.same(readdirSync(folder), []);
    }
});

t.test('the model card has data, metrics and their spread', async t => {
  const config = work.config({ ...table, repeat: 2 });
  const repeated = await work.cellrun('run', config, '--json', '--threads', '1');
  t.equal(repeated.code, 0, repeated.stderr);
  const { directory, metrics } = JSON.parse(repeated.stdout);
  const run = join(directory, 'trials', readdirSync(join(directory, 'trials'))[0]);
  const { folder, code, stderr } = await exportRun(work, run, 'pytorch');
  t.equal(code, 0, stderr);
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  t.match(card, new RegExp(`^\\| table.csv \\| train \\| ${sha256} \\|`, 'm'));
  const [accuracy] = metrics.filter((one: { metric: string }) => one.metric === 'test.accuracy');
  t.match(card, /^\| metric \| mean of 2 seeds \| spread \|/m);
  t.match(card, `| test.accuracy | ${Number(accuracy.mean.toPrecision(5))} |`);
  t.match(card, /^license: "unknown"$/m);
  const svg = readFileSync(join(folder, 'learning-curve.svg'), 'utf8');
  t.match(svg, /<polyline[^>]* points="[\d.]+,[\d.]+ [\d.]+,[\d.]+"\/>/);
});
