/** Figures of the documents, from the files that `npm run bench` and `npm run reproduce` wrote. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { summarizeSeeds } from '../../src/run/baseline.js';
import { packageRoot } from '../../src/util/root.js';
import { briefRows } from '../reproduce/table.js';
import { cell, table } from './schema-tables.js';

const experiments = join(packageRoot, 'experiments');

export function measuredTexts(): Readonly<Record<string, string>> {
  const tables = { bench: benchTables(AMD), 'bench-xeon': benchTables(XEON) };
  return { results: results(), pace: pace(), speed: speed(), reference: reference(), ...tables };
}

interface ReferenceRun {
  readonly seed: number;
  readonly duration_s: number;
  readonly ms_per_step: number;
  readonly peak_rss_mb: number;
  readonly metrics: { readonly test: { readonly accuracy: number } };
}

function referenceRuns(): readonly ReferenceRun[] {
  const folder = join(experiments, 'reference');
  return readdirSync(folder)
    .filter(name => /^mnist-lstm-seed-\d+\.json$/.test(name))
    .map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as ReferenceRun)
    .sort((a, b) => a.seed - b.seed);
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function reference(): string {
  const runs = referenceRuns();
  const rows = runs.map(({ seed, duration_s, ms_per_step, peak_rss_mb, metrics }) => [
    String(seed),
    percent(metrics.test.accuracy),
    `${duration_s.toFixed(0)} s`,
    ms_per_step.toFixed(1),
    `${peak_rss_mb.toFixed(0)} MB`,
  ]);
  const bySeed = Object.fromEntries(runs.map(({ seed, metrics }) => [seed, metrics.test.accuracy]));
  const { mean, spread } = summarizeSeeds(bySeed);
  return table(
    ['Seed', 'Test accuracy', 'Time', 'ms per step', 'Peak memory'],
    [...rows, ['mean ± standard deviation', `${percent(mean)} ± ${percent(spread ?? 0)}`, '', '', '']],
  );
}

/** Files of `experiments/bench`, one for each processor. */
const [AMD, XEON] = ['table.md', 'table-xeon.md'];

/** The lines of a file without its heading. */
function benchLines(file: string): readonly string[] {
  const text = readFileSync(join(experiments, 'bench', file), 'utf8');
  return text.slice(text.indexOf('\n') + 1).split('\n');
}

function benchTables(file: string): string {
  // a column without a heading cannot be read aloud
  return benchLines(file)
    .join('\n')
    .trim()
    .replace(/^\| {2}\| hidden/m, '| case | hidden')
    .replace(/\| measured \| {2}\|$/m, '| measured | verdict |');
}

function benchRow(file: string, name: string): readonly string[] {
  const line = benchLines(file).find(one => one.startsWith(`| ${name} |`));
  if (line === undefined) throw new Error(`experiments/bench/${file} has no row \`${name}\``);
  return line
    .split('|')
    .slice(1, -1)
    .map(one => one.trim().replace(/ ±[\d.]+ %/, ''));
}

/** The README's table: tasks beside PyTorch and the best prediction that needs no model. */
function results(): string {
  return table(['Task', 'cellrun', 'PyTorch', 'Baseline'], briefRows());
}

function speed(): string {
  const both = (cellsOf: (file: string) => readonly string[]) => [AMD, XEON].flatMap(cellsOf);
  /** A row of the large table: the time and the ratio to PyTorch's. */
  const timed = (name: string) =>
    both(file => {
      const cells = benchRow(file, name);
      return [`${cells[5]} ms`, cells[8]];
    });
  const figure = (name: string, hasRatio = false) =>
    both(file => {
      const [, value, , ratio] = benchRow(file, name);
      return [value, hasRatio ? ratio : ''];
    });
  return table(
    [
      'MNIST by rows, two LSTM layers of 128 units, two CPU cores',
      ...['AMD EPYC, family 25', 'Time / PyTorch', 'Intel Xeon, Sapphire Rapids', 'Time / PyTorch'],
    ],
    [
      ['Whole run: two epochs, two evaluations', ...figure('./run configs/mnist-lstm.yaml', true)],
      ['Training step, batch of 100', ...timed('train_step | 128 | 100 | 28 | 2')],
      ['The same with bidirectional layers', ...timed('train_step/bilstm | 128 | 100 | 28 | 2')],
      ['The same with CTC, a batch of 64, 100 steps', ...timed('train_step/ctc | 128 | 64 | 100 | 2')],
      ['The same with 512 units', ...timed('train_step | 512 | 100 | 28 | 2')],
      ['The same with a batch of 1', ...timed('train_step | 128 | 1 | 28 | 2')],
      ['Evaluation of 10,000 images', ...timed('evaluate | 128 | 100 | 28 | 2')],
      ['From `./run` to the first finished training step', ...figure('./run to first training step done')],
      ['Peak memory of the run', ...figure('peak RSS of that run')],
    ].map(row => row.map(cell)),
  );
}

function pace(): string {
  const [amd, xeon] = [AMD, XEON].map(file => {
    const [, run, , ratio] = benchRow(file, './run configs/mnist-lstm.yaml');
    return { run, ratio, step: benchRow(file, 'train_step | 128 | 100 | 28 | 2')[8] };
  });
  return `On two cores of an AMD EPYC (family 25), the reference experiment takes ${amd.run}, ${amd.ratio} of the time of the
PyTorch program, and a training step ${amd.step} of its time. On an Intel Xeon (Sapphire Rapids), with products of 512
bits, it takes ${xeon.run}, ${xeon.ratio} of the time, and a step ${xeon.step}.`;
}
