#!/usr/bin/env node
/** The program's entry: the process's arguments, streams and exit code, and nothing else, are handled here. */
import './early-signals.js';
import { writeSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import v8 from 'node:v8';
import { packageRoot } from '../util/root.js';

// The young generation would grow to three times 16 MB while a config is read, and stay so. What is
// allocated during training lies outside of it. Costs a twentieth of the start, saves 50 MB.
v8.setFlagsFromString('--semi-space-growth-factor=1');

// What V8 compiles is kept beside the program, which saves the next start a tenth of a second: whoever
// can write there could change the program itself. Where that is nobody, nothing is kept. Absent in
// Node 20.
(module as { enableCompileCache?(folder: string): unknown }).enableCompileCache?.(
  join(packageRoot, 'dist', '.cache'),
);

try {
  const { Call } = await import('./call.js');
  const call = new Call(process.argv.slice(2), process);
  process.on('uncaughtException', error => process.exit(call.fail(error)));
  process.exitCode = await call.run();
} catch (error) {
  // not even what words errors could be loaded
  writeSync(2, `cellrun: the program cannot be loaded: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
