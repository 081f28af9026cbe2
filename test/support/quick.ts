/**
 * A test file that imports this first is part of `npm run test:quick`. Whatever makes a test slow
 * by its nature fails there: another process (a browser, a launcher, a second run of the program)
 * and WebGPU, which is computed in software on most machines.
 */
import childProcess, { ChildProcess } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

const breaches: string[] = [];

function refuse(what: string): never {
  breaches.push(what);
  throw new Error(
    `a quick test must not ${what}; without the import of support/quick.js this file is not one`,
  );
}

// all asynchronous ways to start a process end here, also those that were imported before
Object.assign(ChildProcess.prototype, { spawn: () => refuse('start a process') });
for (const name of ['spawnSync', 'execSync', 'execFileSync'] as const)
  childProcess[name] = (() => refuse('start a process')) as never;
syncBuiltinESMExports();

const { dlopen } = process;
process.dlopen = (...args: Parameters<typeof dlopen>) => {
  if (/dawn|webgpu/i.test(String(args[1]))) refuse('load WebGPU');
  return dlopen(...args);
};

// the code under test may catch the error: a missing adapter is no failure of a run
process.on('exit', code => {
  if (breaches.length === 0) return;
  process.stderr.write(`${breaches.join('\n')}\n`);
  process.exitCode = code || 1;
});
