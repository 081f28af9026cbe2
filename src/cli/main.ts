#!/usr/bin/env node
/** The program's entry: the process's arguments, streams and exit code, and nothing else, are handled here. */
import './early-signals.js';
import { Call } from './call.js';

const call = new Call(process.argv.slice(2), process);

process.on('uncaughtException', error => process.exit(call.fail(error)));
process.exitCode = await call.run();
