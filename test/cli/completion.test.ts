/** Completion, and short forms: `key=value` without `--set`, verbs of other programs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { Workplace } from '../support/cli.js';

const work = new Workplace();
t.teardown(() => work.remove());

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout, stderr } = await work.cellrun('completion', shell);
  if (code !== 0) throw new Error(stderr);
  return work.file(`cellrun.${shell}`, stdout);
}

t.test('bash completes verbs, options and their choices', async t => {
  const script = await scriptFor('bash');
  const complete = (...words: string[]): string[] => {
    const line = ['cellrun', ...words].map(word => `'${word}'`).join(' ');
    const code = `source '${script}'; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _cellrun; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', code], { encoding: 'utf8' }).trimEnd().split('\n');
  };
  t.same(complete('ev'), ['evaluate']);
  t.same(complete('sweep', 'st'), ['status']);
  t.same(complete('config', 'show', '--s'), ['--set']);
  t.same(complete('run', 'x.yaml', '--backend', 'web'), ['webgpu', 'webasm']);
  t.same(complete('init', '--template', ''), ['mnist', 'csv', 'text', 'forecast']);
  const folder = work.folder();
  for (const name of ['a.yaml', 'b.json', 'c.csv']) writeFileSync(join(folder, name), '');
  mkdirSync(join(folder, 'runs'));
  const found = (...words: string[]) =>
    complete(...words, `${folder}/`)
      .map(path => basename(path))
      .sort();
  t.same(found('run'), ['a.yaml', 'b.json', 'runs']);
  t.same(found('config', 'show'), ['a.yaml', 'b.json', 'runs']);
  t.same(found('resume'), ['runs']);
  t.same(found('sweep', 'status'), ['runs']);
  t.same(found('init'), ['a.yaml', 'b.json', 'c.csv', 'runs']);
  t.match(readFileSync(script, 'utf8'), /^# .*npx cellrun/m);
});

for (const shell of ['zsh', 'fish']) {
  const isThere = spawnSync(shell, ['--version']).status === 0;
  t.test(`${shell} can read its script`, { skip: isThere ? false : `${shell} is not installed` }, async t => {
    t.match(spawnSync(shell, ['-n', await scriptFor(shell)], { encoding: 'utf8' }), {
      status: 0,
      stderr: '',
    });
  });
}

t.test('every verb is in every script', async t => {
  const help = (await work.cellrun('--help')).stdout;
  const verbs = [...help.matchAll(/^ {2}([a-z]+)\b/gm)]
    .map(([, name]) => name)
    .filter(name => name !== 'help');
  t.ok(verbs.length > 15);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await work.cellrun('completion', shell);
    for (const name of verbs) t.match(stdout, new RegExp(`\\b${name}\\b`));
  }
  t.match(await work.cellrun('completion', 'csh'), { code: 2, stderr: /bash, zsh, fish/ });
});

t.test('key=value after a config is --set key=value', async t => {
  const config = join(work.folder(), 'config.yaml');
  writeFileSync(
    config,
    `version: 1
name: words
dataset: { kind: synthetic, problem: adding, sequence_length: 4, train_size: 8, test_size: 4 }
model: { cell: rnn, hidden_size: 2, head: { from: last } }
loss: { kind: mse }
optimizer: { kind: sgd, learning_rate: 0.1 }
training: { num_epochs: 3, batch_size: 4 }
`,
  );
  const ran = await work.cellrun(
    config,
    'training.num_epochs=1',
    '--note',
    'a=b',
    '--json',
    'model.hidden_size=3',
    '--backend',
    'webasm',
  );
  t.equal(ran.code, 0, ran.stderr);
  t.match(JSON.parse(ran.stdout), { epochs: 1, parameters: 3 * 2 + 3 * 3 + 2 * 3 + 3 + 1 });
  const wrong = await work.cellrun('run', config, 'lr=0.1');
  t.match(wrong, {
    code: 2,
    stderr:
      /^lr=0\.1: unknown key `lr`\n {3}\| lr=0\.1\n {3}\| \^\^\n.*did you mean optimizer\.learning_rate\?/s,
  });
  t.match(await work.cellrun('run', config, '--set', 'lr=0.1'), { code: 2, stderr: /^--set:1:1: unknown/ });
  t.match(await work.cellrun('run', config, 'more'), { code: 2, stderr: /unexpected argument 'more'/ });

  const { directory } = JSON.parse(ran.stdout);
  const good: [string[], RegExp][] = [
    [['validate', config, 'training.batch_size=2'], /: valid/],
    [['data', config, 'dataset.train_size=6'], /6/],
    [['graph', config, 'model.hidden_size=3'], /3/],
    [['config', 'show', config, 'seed=7'], /^seed: 7$/m],
    [['config', 'explain', config, 'seed', 'seed=7'], /7/],
    [['evaluate', directory, 'dataset.test_size=4', '--backend', 'webasm'], /./],
    [['resume', directory, 'training.num_epochs=2', '--quiet'], /after 4 steps/],
  ];
  for (const [words, stdout] of good)
    t.match(await work.cellrun(...words), { code: 0, stdout }, words.join(' '));
  const bad: [string[], RegExp][] = [
    [['validate', config, 'lr=1'], /^lr=1: unknown key `lr`/],
    [['data', config, 'seed='], /^seed=: the value is missing/],
    [['graph', config, 'model.hiden=1'], /^model\.hiden=1: unknown key `hiden`/],
    [['evaluate', directory, 'seed=1'], /^seed=1: only the location of the data can change/],
    [['predict', directory, 'seed=1'], /^seed=1: only the location/],
    [['resume', directory, 'lr=1'], /^lr=1: unknown key `lr`/],
    [
      ['run', config, 'optimizer.learning_rate'],
      /^optimizer\.learning_rate: the value is missing\n.*=VALUE$/m,
    ],
    [['verify', 'gradients', config, 'seed=x'], /^(seed=x|cellrun): /],
  ];
  for (const [words, stderr] of bad)
    t.match(await work.cellrun(...words), { code: 2, stderr }, words.join(' '));
  const odd = join(work.folder(), 'a=b');
  t.match(await work.cellrun('run', odd), { code: 2 });
});

t.test('a name that does not exist leads to the nearest one beside it', async t => {
  const config = work.file('letters.yaml', 'version: 1\n');
  const wrong = join(dirname(config), 'leters.yml');
  const meant = new RegExp(`^${wrong}: the file does not exist\n {2}did you mean ${config}\\?\n`);
  t.match(await work.cellrun('run', wrong), { code: 2, stderr: meant });
  const table = work.file('numbers.csv', `a,kind\n${'1,x\n2,y\n'.repeat(20)}`);
  t.match(await work.cellrun('init', '--from', table.replace('numb', 'nubm')), {
    code: 2,
    stderr: /the file does not exist\n {2}did you mean .*numbers\.csv\?/,
  });
  const target = await work.cellrun(
    'init',
    join(work.folder(), 'c.yaml'),
    '--from',
    table,
    '--target',
    'knid',
  );
  t.match(target, { code: 2, stderr: /did you mean kind\?/ });
  for (const verb of ['resume', 'review', 'compare', 'report'])
    t.match(await work.cellrun(verb, join(dirname(config), 'none')), {
      code: 2,
      stderr: /^\S*none: the (run )?directory does not exist\n/,
    });
});

t.test("names of other programs' verbs", async t => {
  const meant = {
    train: 'run',
    eval: 'evaluate',
    continue: 'resume',
    dashboard: 'serve',
    evalute: 'evaluate',
  };
  for (const [name, verb] of Object.entries(meant))
    t.match(await work.cellrun(name, 'x.yaml'), { code: 2, stderr: new RegExp(`did you mean ${verb}\\?`) });
});
