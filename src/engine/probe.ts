/**
 * A separate program that prints the machine's WebGPU adapter as one line of JSON. Loading a GPU
 * driver takes 50 MB and prints warnings; a run on another backend avoids both.
 */
import { writeSync } from 'node:fs';
import { findAdapter } from './backend.js';

const STDOUT = 1;

const found = await findAdapter();
writeSync(STDOUT, `${JSON.stringify('missing' in found ? found : found.info)}\n`);
