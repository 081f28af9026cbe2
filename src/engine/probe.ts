/**
 * A program of its own: prints what WebGPU adapter there is as one line of JSON. Loading a GPU driver costs fifty megabytes and
 * prints warnings of its own; a run that then takes another backend pays neither.
 */
import { installWebGpu } from './gpu.js';

process.stdout.write(`${JSON.stringify(await installWebGpu())}\n`);
process.exit();
