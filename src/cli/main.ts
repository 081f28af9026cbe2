#!/usr/bin/env node
/**
 * Entry point of the program: connects a call to the arguments, streams, signals and exit code of
 * this process.
 */
import { writeSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import v8 from 'node:v8';
import { packageRoot } from '../util/root.js';
import { SIGNALS, stopAtOnce } from './command/signals.js';

// Loading takes most of a second, before a run can listen for signals itself.
for (const name of SIGNALS) process.on(name, stopAtOnce);

// Reading a config would grow the young generation permanently to three times 16 MB, although
// training allocates outside of it. This costs a twentieth of the start time and saves 50 MB.
v8.setFlagsFromString('--semi-space-growth-factor=1');

// Caches compiled code next to the program, which saves a tenth of a second at the next start. This
// is safe: anyone who can write there could change the program itself. Not available in Node 20.
(module as { enableCompileCache?(folder: string): unknown }).enableCompileCache?.(
  join(packageRoot, 'dist', '.cache'),
);

try {
  const { Call } = await import('./call.js');
  const call = new Call(process.argv.slice(2), process);
  process.on('uncaughtException', error => process.exit(call.fail(error)));
  process.exitCode = await call.run();
} catch (error) {
  // the code that formats errors could not be loaded either
  writeSync(2, `cellrun: the program cannot be loaded: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
