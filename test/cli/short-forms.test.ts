/** Short forms: `key=value` without `--set`, verbs of other programs. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { work } from '../support/work.js';

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
    [['evaluate', directory, 'seed=1'], /^seed=1: only the location of the data and `decode` can change/],
    [['predict', directory, 'seed=1'], /^seed=1: only the location/],
    [['resume', directory, 'lr=1'], /^lr=1: unknown key `lr`/],
    [['run', config, 'optimizer.learning_rate'], /unexpected argument 'optimizer\.learning_rate'\n/],
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
  for (const verb of ['resume', 'review', 'compare', 'report'])
    t.match(await work.cellrun(verb, join(dirname(config), 'none')), {
      code: 2,
      stderr: /^\S*none: the (file|(run )?directory) does not exist\n/,
    });
});

t.test("names of other programs' verbs", async t => {
  const meant = {
    train: 'run',
    eval: 'evaluate',
    continue: 'resume',
    dashboard: 'serve',
    evalute: 'evaluate',
    list: 'serve',
  };
  for (const [name, verb] of Object.entries(meant))
    t.match(await work.cellrun(name, 'x.yaml'), { code: 2, stderr: new RegExp(`did you mean ${verb}\\?`) });
  for (const words of [
    ['train', '--help'],
    ['help', 'train'],
  ])
    t.match(await work.cellrun(...words), { code: 2, stderr: /did you mean run\?/ });
});

t.test("other programs' options for keys of the config", async t => {
  const cases: [string[], string][] = [
    [['--lr', '0.1'], 'optimizer.learning_rate=0.1'],
    [['--lr=0.1'], 'optimizer.learning_rate=0.1'],
    [['--epochs', '3'], 'training.num_epochs=3'],
    [['--batch-size', '3'], 'training.batch_size=3'],
    [['--hidden-size'], 'model.hidden_size=VALUE'],
    [['epochs=3'], 'training.num_epochs'],
  ];
  const config = work.config({});
  for (const [words, meant] of cases)
    t.match(
      await work.cellrun(config, ...words),
      { code: 2, stderr: `did you mean ${meant}?` },
      words.join(' '),
    );
  const { stderr } = await work.cellrun(config, '--xyzzy', '1');
  t.equal(stderr, "cellrun: unknown option '--xyzzy'\n");
});
