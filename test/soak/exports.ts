/**
 * Exports of random models predict what `predict` does: ONNX Runtime and PyTorch, of all sequences
 * at once and of each alone, within the rounding of float32; the JavaScript module in Node to the
 * bit, in Chromium and Firefox within the rounding.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadModel, type SequencePrediction, type SequenceValues } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import type { Workplace } from '../support/cli.js';
import { type ExportCase, exportCases } from '../support/export-cases.js';
import { BROWSERS, type BrowserName, differencesIn, type PageModule } from '../support/module-pages.js';
import { train } from '../support/runs.js';
import type { Figures } from './figures.js';

export const PYTHON = '/usr/bin/python3';
export const OF_PYTHON = ['onnx', 'pytorch'] as const;
type Format = (typeof OF_PYTHON)[number];

/** Why a format cannot be tested here; false if it can. */
export function lacksPython(format: Format): string | false {
  const modules = format === 'onnx' ? ['onnxruntime', 'onnx'] : ['torch'];
  const code = 'import sys, importlib.util as u; sys.exit(not all(u.find_spec(m) for m in sys.argv[1:]))';
  const { status } = spawnSync(PYTHON, ['-c', code, ...modules]);
  return status !== 0 && `python3 lacks ${modules.join(' or ')}`;
}

export interface Job {
  readonly name: string;
  readonly folder: string;
  readonly sequences: readonly SequenceValues[];
  /** Of each sequence: logits, values or symbols. */
  readonly expected: readonly (readonly unknown[])[];
}

/** Exports the run in `directory`; the program finds `python3` in the folder `bin`, if it does. */
export async function exportRun(work: Workplace, directory: string, format: string, bin = work.folder()) {
  const [folder, { PATH }] = [work.folder(), process.env];
  process.env.PATH = bin;
  const finished = await work.cellrun('export', directory, '--format', format, '-o', folder);
  process.env.PATH = PATH;
  return { folder, ...finished };
}

/** Trains a model, and exports it in all formats; returns what Python must predict. */
async function exported(work: Workplace, { name, config, sequences }: ExportCase) {
  const { directory } = (await train(work, config)).summary;
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  const predictions = await all(model.predict(sequences));
  await model.close();
  const written = async (format: string) => {
    const { folder, code, stderr } = await exportRun(work, directory, format);
    if (code !== 0) throw new Error(stderr);
    return folder;
  };
  const file = join(await written('js'), 'model.js');
  const { predictMany } = await import(pathToFileURL(file).href);
  const found: SequencePrediction[] = await all(predictMany(sequences));
  // `predict` itself rounds bidirectional LSTMs differently in batches of other lengths
  const { cell, bidirectional } = Object(config).model;
  const isRounded = cell === 'lstm' && bidirectional === true;
  const problem = isRounded
    ? difference({ expected: predictions.map(numbersOf) }, found.map(numbersOf), 1e-6)
    : JSON.stringify(found) !== JSON.stringify(predictions) && 'other bits';
  if (problem) throw new Error(`the module predicts something else: ${problem}`);
  const job = { name, sequences, expected: predictions.map(numbersOf) };
  return {
    onnx: { ...job, folder: await written('onnx') },
    pytorch: { ...job, folder: await written('pytorch') },
    js: { name, file, sequences, expected: predictions },
  };
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}

function numbersOf({ predictions }: SequencePrediction): unknown[] {
  return predictions.flatMap((one): unknown[] => {
    if (one.kind === 'class') return [...one.logits];
    if (one.kind === 'sequence') return [...one.symbols];
    // of each target, its quantiles
    const quantiles = [...one.values].flatMap((_, k) => one.quantiles.map(values => values[k]));
    return one.quantiles.length > 0 ? quantiles : [...one.values];
  });
}

/** What Python predicts for each job, of all its sequences together and of each alone. */
function computed(work: Workplace, format: Format, jobs: readonly Job[]): unknown[][][][] {
  const script = join(packageRoot, 'test/fixtures/exports', `${format}.py`);
  const file = work.file('jobs.json', JSON.stringify(jobs));
  const { status, stdout, stderr } = spawnSync(PYTHON, [script, file], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  // Debian's onnxruntime complains about the operators of its onnx on each start
  if (status !== 0) throw new Error(stderr.slice(-2000));
  return JSON.parse(stdout);
}

/** Why predictions are not those of the run; undefined if they are. */
function difference(
  { expected }: Pick<Job, 'expected'>,
  found: readonly (readonly unknown[])[],
  tolerance = 1e-5,
): string | undefined {
  const isLike = expected.every(({ length }, i) => found[i].length === length);
  const [wanted, got] = [expected, found].map(one => one.flat());
  if (!isLike || wanted.some(value => typeof value !== 'number'))
    return JSON.stringify(found) === JSON.stringify(expected)
      ? undefined
      : `${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`;
  const numbers = wanted as number[];
  const largest = Math.max(...numbers.map(Math.abs));
  const farthest = Math.max(...numbers.map((value, i) => Math.abs(value - (got[i] as number))));
  return farthest <= tolerance * largest ? undefined : `${farthest / largest} of the largest output`;
}

/** Jobs of one process of Python, which takes seconds to load PyTorch. */
const TOGETHER = 50;

interface Extent {
  readonly seed: number;
  readonly cases: number;
  /** Number of the first case. */
  readonly from?: number;
  /** Those whose Python is installed. */
  readonly formats?: readonly Format[];
}

export async function tryExports(
  work: Workplace,
  { seed, cases, from = 0, formats = OF_PYTHON }: Extent,
): Promise<Figures & { readonly configs: readonly object[] }> {
  const make = exportCases(work, seed);
  const configs: object[] = [];
  const failures: string[] = [];
  const end = from + cases;
  for (let first = from; first < end; first += TOGETHER) {
    const jobs: Record<Format, Job[]> = { onnx: [], pytorch: [] };
    const modules: PageModule[] = [];
    for (let number = first; number < Math.min(end, first + TOGETHER); number++) {
      const one = make(number);
      configs.push(one.config);
      try {
        const found = await exported(work, one);
        for (const format of OF_PYTHON) jobs[format].push(found[format]);
        modules.push(found.js);
      } catch (error) {
        failures.push(`${one.name}: ${error}`);
      }
    }
    for (const format of formats) failures.push(...differences(work, format, jobs[format]));
    for (const [name, { missing }] of Object.entries(BROWSERS))
      if (missing === undefined) failures.push(...(await differencesIn(name as BrowserName, work, modules)));
  }
  return { what: 'models', cases, failures, configs };
}

/** What Python predicts that the runs do not. */
export function differences(work: Workplace, format: Format, jobs: readonly Job[]): string[] {
  return computed(work, format, jobs).flatMap((ways, i) =>
    ways.flatMap((found, alone) => {
      const problem = difference(jobs[i], found);
      return problem ? [`${format}, ${jobs[i].name}${alone ? ', each alone' : ''}: ${problem}`] : [];
    }),
  );
}
