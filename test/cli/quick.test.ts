/**
 * How tests are selected, run and reported. Tests marked as quick fail if they start a process or
 * use WebGPU.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { countsOf, everything, failuresOnly, runFile, selectTests } from '../support/test-files.js';

t.test('tests are selected by their files, their paths or the first word of several', async t => {
  const files = ['config/config-cli', 'config/config-yaml', 'train/run', 'train/run-ends'];
  const all = { selected: files, unknown: [] };
  t.strictSame(selectTests(files, []), all);
  t.strictSame(selectTests(files, ['run']), { selected: ['train/run'], unknown: [] });
  for (const path of ['test/train/run.test.ts', 'dist/test/train/run.test.js'])
    t.strictSame(selectTests(files, [path]).selected, ['train/run']);
  t.strictSame(selectTests(files, ['config']).selected, ['config/config-cli', 'config/config-yaml']);
  t.strictSame(selectTests(files, ['test/train/']).selected, ['train/run', 'train/run-ends']);
  t.strictSame(selectTests(files, ['nothing', 'run', 'conf']), {
    selected: ['train/run'],
    unknown: ['nothing', 'conf'],
  });
});

t.test('a file fails by an assertion, by its exit code, and by having no test', async t => {
  const folder = t.testdir({});
  const run = (name: string, code: string) => {
    const file = join(folder, `${name}.mjs`);
    const tap = JSON.stringify(import.meta.resolve('tap'));
    writeFileSync(file, `import t from ${tap};\n${code}`);
    return runFile(file, new AbortController().signal);
  };
  const passing = await run('passing', "t.test('fine', async t => { t.ok(1); t.ok(2); });");
  t.match(passing, { isOk: true });
  t.match(countsOf(passing.output), { total: 2, pass: 2, fail: 0 });
  t.match(failuresOnly(passing, 3), /^ok 3 - .*passing\.mjs # time=\d+ms\n$/);
  t.match(everything(passing, 3), / {4}# Subtest: fine\n {8}ok 1[\s\S]*\nok 3 - /);

  const wrong = "t.test('fine', async t => { t.ok(1, 'good'); t.equal(1, 2, 'bad'); t.ok(3, 'after'); });";
  const failing = await run('failing', `console.log('by the way'); ${wrong}`);
  t.match(failing, { isOk: false, end: 'exit code 1' });
  const told = failuresOnly(failing, 4);
  t.match(
    told,
    /^ {4}by the way\n {8}not ok 2 - bad\n {10}---\n[\s\S]*\+1\n {10}\.\.\.\n {4}not ok 1 - fine/,
  );
  t.notMatch(told, /^ *(ok |1\.\.|# Subtest)/m, 'nothing of what passed');
  t.match(told, /\nnot ok 4 - .*failing\.mjs: exit code 1 # time/);
});

t.test(
  'a quick test that starts a process or loads WebGPU fails, even if the code catches the error',
  async t => {
    const guard = JSON.stringify(new URL('../support/quick.js', import.meta.url).href);
    const run = (code: string) => {
      const text = `import ${guard}; import { promisify } from 'node:util'; import { createRequire } from 'node:module';
      import { execFile, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
      try { ${code} } catch {}`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
    };
    for (const code of [
      "spawn('true')",
      "spawnSync('true')",
      "execFileSync('true')",
      "fork('true.js')",
      "await promisify(execFile)('true')",
    ])
      t.match(run(code), { status: 1, stderr: 'start a process\n' }, code);
    t.match(run("process.dlopen({}, '/somewhere/dawn.node')"), { status: 1, stderr: 'load WebGPU\n' });
    t.match(run(''), { status: 0, stderr: '' });
  },
);
