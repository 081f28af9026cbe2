/** How long after the end of a symbol a model of recordings writes it, in a live session. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WavFile } from '../../src/data/formats/wav.js';
import { memoryBytes } from '../../src/data/reading/ranged-file.js';
import { loadModel } from '../../src/index.js';
import { Run } from '../../src/run/run.js';

/** In frames of the recordings, from the end of a symbol; negative: before its end. */
export interface Latency {
  readonly median: number;
  /** 95 % of the symbols are written by then. */
  readonly most: number;
  readonly all: number;
}

/**
 * The latency of the strings that the model writes without an error.
 * @param table CSV with the columns file, digits and ends (seconds, separated by spaces)
 */
export async function latencyOf(directory: string, table: string): Promise<Latency> {
  const { dataset } = Run.open(directory).experiment().experiment;
  if (dataset.kind !== 'audio') throw new Error(`${directory} is not a run of recordings`);
  const [header, ...rows] = readFileSync(table, 'utf8').trim().split('\n');
  const columns = header.split(',');
  const [file, digits, ends] = ['file', 'digits', 'ends'].map(name => columns.indexOf(name));
  const model = await loadModel(directory);
  const session = model.session();
  const found: number[] = [];
  for (const row of rows) {
    const cells = row.split(',');
    const path = join(dirname(table), cells[file]);
    const wav = new WavFile(memoryBytes(path, readFileSync(path)));
    const written = [];
    for (const samples of wav.samples()) written.push(...(await session.push(samples)));
    written.push(...(await session.end()));
    const begun = written.flatMap(one => (one.kind === 'sequence' ? [one] : []));
    if (begun.map(({ text }) => text).join('') !== cells[digits]) continue;
    const after = cells[ends].split(' ').map((end, i) => Number(begun[i].time) - Number(end));
    found.push(...after.map(seconds => (1000 * seconds) / dataset.features.hop));
  }
  await model.close();
  found.sort((a, b) => a - b);
  const at = (fraction: number): number => found[Math.floor(fraction * (found.length - 1))];
  return { median: at(0.5), most: at(0.95), all: at(1) };
}
