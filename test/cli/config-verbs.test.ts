/** The verbs that show and check configs. */
import { join } from 'node:path';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { BROKEN_FOLDER, MINIMAL, MISFIT_FOLDER, SYNTHETIC, writerIn } from '../support/config-texts.js';
import { callWith, recorder } from '../support/in-process.js';

process.chdir(packageRoot);
const scratch = t.testdir({});
const write = writerIn(scratch);

t.test('validate', async t => {
  const good = write('good.yaml', SYNTHETIC);
  const bad = `${BROKEN_FOLDER}/many-at-once.yaml`;
  await t.test('text', async t => {
    const io = recorder();
    t.equal(await callWith(io, 'validate', good, bad), 2);
    t.equal(io.text.out, `${good}: valid (20 training, 10 test sequences)\n${bad}: 5 problems\n`);
    t.match(io.text.err, /many-at-once\.yaml:8:3: unknown key `lr` in `optimizer`\n {2}8 \| {3}lr: fast\n/);
  });
  await t.test('json', async t => {
    const io = recorder();
    t.equal(await callWith(io, 'validate', good, bad, '--format', 'json'), 2);
    const report = JSON.parse(io.text.out);
    t.match(report, {
      valid: false,
      configs: [
        { file: good, valid: true, diagnostics: [], sequences: { train: 20, test: 10 } },
        { file: bad, valid: false },
      ],
    });
    t.match(report.configs[1].diagnostics[2], {
      code: 'config/unknown-key',
      line: 8,
      column: 3,
      suggestion: 'learning_rate',
    });
    t.equal(io.text.err, '');
  });
  await t.test('github', async t => {
    const io = recorder();
    t.equal(await callWith(io, 'validate', good, bad, '--format', 'github'), 2);
    const lines = io.text.out.trimEnd().split('\n');
    t.equal(lines.length, 5);
    t.equal(
      lines[2],
      `::error file=${bad},line=8,col=3,endColumn=5,title=config/unknown-key::unknown key \`lr\` in \`optimizer\`%0Aexpected: kind, learning_rate, schedule, momentum, nesterov, weight_decay, weight_decay_on, parameter_groups%0Adid you mean learning_rate?`,
    );
    const set = recorder();
    t.equal(await callWith(set, 'validate', good, '--set', 'seed=-1', '--format', 'github'), 2);
    t.match(set.text.out, `::error file=${good},title=config/range::--set seed=-1: \`seed\` must be >= 0%0A`);
  });
  await t.test('warnings', async t => {
    const limit = `${MISFIT_FOLDER}/limit.yaml`;
    const [json, github] = [recorder(), recorder()];
    t.equal(await callWith(json, 'validate', limit, '--format', 'json'), 0);
    t.match(JSON.parse(json.text.out), {
      valid: true,
      configs: [{ valid: true, diagnostics: [], warnings: [{ code: 'data/limit', line: 11 }] }],
    });
    t.equal(await callWith(github, 'validate', limit, '--format', 'github'), 0);
    t.match(
      github.text.out,
      `::warning file=${limit},line=11,col=10,endColumn=14,title=data/limit::dataset.limit`,
    );
  });
  await t.test('a sweep', async t => {
    const lines = ['version: 1', 'name: widths', 'base: good.yaml', 'method: grid'];
    const objective = 'objective: { metric: test.loss, goal: minimize }';
    const widths = (values: string) =>
      write('sweep.yaml', [...lines, objective, `parameters: { model.hidden_size: ${values} }`].join('\n'));
    const [fine, wrong, unfit] = [recorder(), recorder(), recorder()];
    const sweep = widths('[2, 3]');
    t.equal(await callWith(fine, 'validate', sweep), 0);
    t.equal(fine.text.out, `${sweep}: valid\n`);
    t.equal(await callWith(wrong, 'validate', widths('[2, 0]')), 2);
    t.match(wrong.text.err, /sweep\.yaml:6:38: `model\.hidden_size` must be >= 1/);
    const rows = 'dataset.train_size: [20, 5]';
    const file = write('rows.yaml', [...lines, objective, `parameters: { ${rows} }`].join('\n'));
    const set = ['training.batch_size=10', 'training.last_batch=drop'];
    t.equal(await callWith(unfit, 'validate', file, ...set.flatMap(one => ['--set', one])), 2);
    t.match(unfit.text.err, /dataset\.train_size=5/, 'a point that does not fit its data');
  });
  const split = 'dataset.validation={count: 3}';
  const cases: readonly (readonly [set: readonly string[], file: string, code: number, said: RegExp])[] = [
    [[split], good, 0, /valid \(17 training, 3 validation, 10 test sequences\)\n/],
    [['dataset.train_size=5000'], good, 0, /valid \(5,000 training/],
    [
      [],
      write('minimal.yaml', MINIMAL),
      2,
      /minimal\.yaml:3:29: .*a\.npz: .*the file does not exist.*\n {2}3 \| dataset: .*\n {4}\| {29}\^{5}\n/,
    ],
    [
      ['training.last_batch=drop', 'training.batch_size=21'],
      good,
      2,
      /--set:1:21: `batch_size` exceeds the data/,
    ],
  ];
  for (const [set, file, code, said] of cases) {
    const io = recorder();
    t.equal(await callWith(io, 'validate', file, ...set.flatMap(one => ['--set', one])), code);
    t.match(io.text.out + io.text.err, said);
  }
});

t.test('config show and explain', async t => {
  const file = write('shown.yaml', SYNTHETIC);
  const yaml = recorder();
  t.equal(await callWith(yaml, 'config', 'show', file, '--set', 'seed=5'), 0);
  t.equal(yaml.text.out, loadExperiment(file, { set: ['seed=5'] }).resolvedYaml);
  const json = recorder();
  await callWith(json, 'config', 'show', file, '--set', 'seed=5', '--json');
  t.match(JSON.parse(json.text.out), { seed: 5, dataset: { seed: 5 }, checkpoint: { final: 'last' } });
  const all = recorder();
  t.equal(await callWith(all, 'config', 'explain', file, '--set', 'seed=5'), 0);
  t.match(all.text.out, /^seed = 5 +--set$/m);
  t.match(all.text.out, /^training\.shuffle = true +default$/m);
  t.match(all.text.out, new RegExp(`^model\\.head\\.from = "every" +${file}:4:52$`, 'm'));
  t.match(all.text.out, /^optimizer\.betas = \[0\.9,0\.999\] +default$/m);
  const one = recorder();
  await callWith(one, 'config', 'explain', file, 'training.eval_batch_size');
  t.equal(
    one.text.out,
    `training.eval_batch_size
  Sequences per batch in evaluations. Predictions do not depend on it.
  expected: an integer from 1 to 65536
  default:  chosen by the run: 100 for each thread, fewer if sequences are long; with \`carry_state\`, \`batch_size\`
  example:  500

not set
`,
  );
  const absent = recorder();
  await callWith(absent, 'config', 'explain', file, 'training.max_steps', '--json');
  t.match(JSON.parse(absent.text.out), { key: 'training.max_steps', values: [] });
  const mapping = recorder();
  await callWith(mapping, 'config', 'explain', file, 'model', '--json');
  t.equal(JSON.parse(mapping.text.out).values.length, 10);
  await t.rejects(callWith(recorder(), 'config', 'explain', file, 'optimizer.lr'), /no key `optimizer\.lr`/);
  const lost = await callWith(recorder(), 'config', 'explain', file, 'learning_rate').catch(error => error);
  t.match(lost, { exitCode: 2, diagnostics: [{ suggestion: 'optimizer.learning_rate' }] });
  await t.rejects(callWith(recorder(), 'config', 'explain', file, 'toString'), UserError);
});

t.test('config diff', async t => {
  const a = write('a.yaml', MINIMAL);
  const b = write(
    'b.yaml',
    `description: other\n${MINIMAL.replace('0.01', '1e-2').replace('num_epochs: 1', 'num_epochs: 2')}`,
  );
  const text = recorder();
  t.equal(await callWith(text, 'config', 'diff', a, b), 0);
  t.equal(
    text.text.out,
    `--- ${a}\n+++ ${b}\ndescription: not set -> "other"\ntraining.num_epochs: 1 -> 2\n`,
    'values, not spellings',
  );
  const json = recorder();
  t.equal(await callWith(json, 'config', 'diff', a, b, '--json'), 0);
  t.same(JSON.parse(json.text.out), {
    version: 1,
    a,
    b,
    equal: false,
    differences: [
      { key: 'description', b: { value: 'other', origin: `${b}:1:14` } },
      {
        key: 'training.num_epochs',
        a: { value: 1, origin: `${a}:7:25` },
        b: { value: 2, origin: `${b}:8:25` },
      },
    ],
  });
  const same = recorder();
  t.equal(await callWith(same, 'config', 'diff', a, a), 0);
  t.equal(same.text.out, `${a} and ${a} resolve to the same config.\n`);
  await t.rejects(callWith(recorder(), 'config', 'diff', a, join(scratch, 'none.yaml')), UserError);
});
