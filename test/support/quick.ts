/**
 * A test file that imports this first is part of `npm run test:quick`. Such a test fails if it uses
 * something slow: another process (a browser, a launcher, another call of the program), or WebGPU,
 * which most machines emulate in software.
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

// all asynchronous functions that start a process call this, even if imported earlier
Object.assign(ChildProcess.prototype, { spawn: () => refuse('start a process') });
for (const name of ['spawnSync', 'execSync', 'execFileSync'] as const)
  childProcess[name] = (() => refuse('start a process')) as never;
syncBuiltinESMExports();

const { dlopen } = process;
process.dlopen = (...args: Parameters<typeof dlopen>) => {
  if (/dawn|webgpu/i.test(String(args[1]))) refuse('load WebGPU');
  return dlopen(...args);
};

// the code under test may catch the error, since a run does not need a WebGPU adapter
process.on('exit', code => {
  if (breaches.length === 0) return;
  process.stderr.write(`${breaches.join('\n')}\n`);
  process.exitCode = code || 1;
});
