/** How tests are chosen, and that what is slow by its nature fails in a quick one. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { selectTests } from './support/select-tests.js';

t.test('tests are named by their files, their paths or the first word of several', async t => {
  const names = ['config-cli', 'config-yaml', 'run', 'run-ends'];
  const all = { selected: names, unknown: [] };
  t.strictSame(selectTests(names, []), all);
  t.strictSame(selectTests(names, ['run']), { selected: ['run'], unknown: [] });
  for (const path of ['test/run.test.ts', 'dist/test/run.test.js'])
    t.strictSame(selectTests(names, [path]).selected, ['run']);
  t.strictSame(selectTests(names, ['config']).selected, ['config-cli', 'config-yaml']);
  t.strictSame(selectTests(names, ['nothing', 'run', 'conf']), {
    selected: ['run'],
    unknown: ['nothing', 'conf'],
  });
});

t.test(
  'a quick test that starts a process or loads WebGPU fails, also where the error is caught',
  async t => {
    const guard = JSON.stringify(new URL('./support/quick.js', import.meta.url).href);
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
