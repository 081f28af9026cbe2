#!/usr/bin/env node
/** The program's entry: the process's arguments, streams and exit code, and nothing else, are handled here. */
import './early-signals.js';
import { writeSync } from 'node:fs';
import v8 from 'node:v8';

// The young generation would grow to three times 16 MB while a config is read, and stay so. What is
// allocated during training lies outside of it. Costs a twentieth of the start, saves 50 MB.
v8.setFlagsFromString('--semi-space-growth-factor=1');

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
