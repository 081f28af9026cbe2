/**
 * A program of its own: prints what WebGPU adapter there is as one line of JSON. Loading a GPU
 * driver costs fifty megabytes and prints warnings of its own; a run that then takes another
 * backend pays neither.
 */
import { writeSync } from 'node:fs';
import { installWebGpu } from './gpu.js';

const STDOUT = 1;

writeSync(STDOUT, `${JSON.stringify(await installWebGpu())}\n`);
