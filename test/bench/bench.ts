import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { chooseBackend, usableCores } from '../../src/engine/backend.js';
import { machine, versions } from '../../src/run/manifest.js';
import { gitState } from '../../src/train/changes.js';
import { usageError } from '../../src/util/errors.js';
import { allCases, type BenchCase, gpuCases, quickCases } from './cases.js';
import { measureCalibrated } from './checks.js';
import { ContenderError } from './child.js';
import { contenders, missingTfjs, startAll } from './contenders.js';
import { measureList, measureRun } from './dashboard.js';
import { measureBeam, measureCtc } from './decoding.js';
import { measureServing, measureSteps } from './exported.js';
import { measureFeatures } from './features.js';
import { measureFromDisk } from './from-disk.js';
import { measureCase, type Pace } from './measure.js';
import type { BenchOptions } from './options.js';
import { measurePage, measureReferencePage } from './page.js';
import { measurePredict } from './predict.js';
import { type Figure, RESULTS_VERSION, type Results, type Row } from './results.js';
import { measureReview } from './review.js';
import { measureParallel, measureStatus, measureSuggestion, measureTrial } from './sweeps.js';
import { measureGpuRuns, measureRuns, measureStart } from './whole.js';

/** Seconds of calls of each contender in each round. */
const SECONDS = { full: 0.4, quick: 0.15 };
/** A run on 8 GB takes about a minute. */
const DISK_ROUNDS = 2;
/** Load over the last minute from which something else computes beside us. */
const BUSY = 0.5;
/** More threads than this are measured where they are asked for. */
const DEFAULT_THREADS = 2;

interface Given {
  readonly options: BenchOptions;
  readonly threads: number;
  readonly rounds: number;
  note(text: string): void;
}

/** What is no case: its id, the option that asks for it (else it is always measured), and how. */
const FIGURES: readonly (readonly [
  id: string,
  flag: 'whole' | 'gpu' | 'disk' | 'dashboard' | undefined,
  measure: (given: Given) => Figure | Promise<Figure | readonly Figure[]>,
])[] = [
  ['step/calibration', undefined, ({ threads, rounds }) => measureCalibrated(threads, rounds)],
  ['whole/start', 'whole', ({ threads, rounds }) => measureStart(threads, rounds)],
  [
    'whole/run',
    'whole',
    ({ threads, options, note }) => measureRuns(threads, options.peers ? options.python : undefined, note),
  ],
  ['whole/status', 'whole', ({ rounds }) => measureStatus(rounds)],
  ['whole/suggestion', 'whole', ({ rounds }) => measureSuggestion(rounds)],
  ['whole/trial', 'whole', ({ threads, rounds }) => measureTrial(threads, rounds)],
  ['whole/parallel-trials', 'whole', ({ rounds }) => measureParallel(rounds)],
  ['whole/ctc', 'whole', ({ rounds }) => measureCtc(rounds)],
  ['whole/beam-ctc', 'whole', ({ threads, rounds }) => measureBeam('ctc', threads, rounds)],
  ['whole/beam-decoder', 'whole', ({ threads, rounds }) => measureBeam('decoder', threads, rounds)],
  ['whole/review', 'whole', ({ rounds }) => measureReview(rounds)],
  ['whole/predict', 'whole', () => measurePredict('csv', 'whole/predict')],
  ['whole/predict-jsonl', 'whole', () => measurePredict('jsonl', 'whole/predict-jsonl')],
  [
    'whole/features',
    'whole',
    ({ threads, rounds, options, note }) =>
      measureFeatures(threads, rounds, options.peers ? options.python : undefined, note),
  ],
  ['whole/page', 'whole', ({ rounds, note }) => measurePage(rounds, note)],
  [
    'whole/page-reference',
    'whole',
    ({ threads, options, note }) => measureReferencePage(threads, options.tfjs, note),
  ],
  ['whole/session', 'whole', ({ rounds, options, note }) => measureSteps(rounds, options.onnxruntime, note)],
  [
    'whole/serving',
    'whole',
    ({ threads, rounds, options, note }) =>
      measureServing(threads, rounds, options.peers ? options.python : undefined, note),
  ],
  ['gpu/run', 'gpu', ({ threads, options, note }) => measureGpuRuns(threads, options.python, note)],
  ['disk/step', 'disk', ({ options }) => measureFromDisk(options.gigabytes, DISK_ROUNDS)],
  ['dashboard/list', 'dashboard', ({ rounds }) => measureList(rounds)],
  ['dashboard/run', 'dashboard', ({ rounds }) => measureRun(rounds)],
];

export async function runBench(options: BenchOptions, progress: (text: string) => void): Promise<Results> {
  if (options.gpu) await requireGpu();
  const threads = options.threads ?? Math.min(DEFAULT_THREADS, usableCores());
  const notes = new Set<string>();
  const found: Record<string, string> = { ...versions() };
  const wanted = (id: string) => options.only?.test(id) ?? true;
  const all = options.gpu ? gpuCases : options.quick ? quickCases : allCases;
  const cases = all(threads).filter(({ id }) => wanted(id));
  const isAsked = (flag: (typeof FIGURES)[number][1]) =>
    options.gpu ? flag === 'gpu' : !flag || options[flag];
  const figuresWanted = FIGURES.filter(([id, flag]) => isAsked(flag) && wanted(id));
  if (cases.length + figuresWanted.length === 0) {
    throw usageError('bench/option', '--only matches nothing that is measured', {
      expected: `part of an id such as ${allCases(threads)[0].id}, or whole/, disk/ or dashboard/ with the flag of that name`,
    });
  }
  const [load] = loadavg();
  if (load > BUSY)
    notes.add(`the machine was busy at the start (load ${load.toFixed(1)}): repeat this on a quiet one`);
  const pace = { rounds: options.rounds, seconds: options.quick ? SECONDS.quick : SECONDS.full };

  const rows = await measureRows(cases, options, pace, {
    progress,
    note: text => notes.add(text),
    version: versionsOf => Object.assign(found, versionsOf),
  });
  const figures: Figure[] = [];
  const given = { options, threads, rounds: options.rounds, note: (text: string) => notes.add(text) };
  for (const [id, , measure] of figuresWanted) {
    progress(id);
    figures.push(...[await measure(given)].flat());
  }
  return {
    version: RESULTS_VERSION,
    date: new Date().toISOString(),
    machine: machine(),
    vectors: widestVectors(),
    versions: found,
    rounds: options.rounds,
    threads,
    rows,
    figures,
    notes: [...notes],
  };
}

/** @throws UserError (exit 2) without a GPU: a software adapter's times say nothing */
async function requireGpu(): Promise<void> {
  const { isOpen, reason } = await chooseBackend('auto');
  if (!isOpen) throw usageError('bench/gpu', `--gpu needs a hardware WebGPU adapter: ${reason}`);
}

/** A checkout by its place and, where git knows it, its commit. */
async function describe(folder: string): Promise<string> {
  const state = await gitState(folder);
  return state ? `${folder} (${state.revision.slice(0, 7)}${state.dirty ? ', changed' : ''})` : folder;
}

interface Told {
  progress(text: string): void;
  note(text: string): void;
  version(versions: Readonly<Record<string, string>>): void;
}

/**
 * The cases of one number of threads run in the same processes, which then end: libraries fix their
 * threads at the start.
 */
async function measureRows(
  cases: readonly BenchCase[],
  options: BenchOptions,
  pace: Pace,
  told: Told,
): Promise<Row[]> {
  const rows: Row[] = [];
  const missing = options.tfjs === undefined ? undefined : missingTfjs(options.tfjs);
  if (missing !== undefined) told.note(`TensorFlow.js is not measured: ${missing}`);
  if (options.against !== undefined) told.note(`the other build is ${await describe(options.against)}`);
  if (options.peers && options.tfjs === undefined) told.note('TensorFlow.js is not measured: no --tfjs');
  const list = contenders({ ...options, tfjs: missing === undefined ? options.tfjs : undefined });
  for (const threads of new Set(cases.map(one => one.threads))) {
    const started = await startAll(list, threads, (name, reason) =>
      told.note(`${name} is not measured: ${reason}`),
    );
    for (const { contender, hello } of started) {
      if (contender.name !== 'other build') told.version(hello.versions);
      if (hello.threads !== threads)
        told.note(`${contender.name} has ${hello.threads} thread in Node, whatever the row says`);
    }
    try {
      for (const one of cases.filter(each => each.threads === threads)) {
        told.progress(one.id);
        try {
          rows.push(await measureCase(one, started, pace));
        } catch (error) {
          // a GPU may be too small
          if (!options.gpu || !(error instanceof ContenderError)) throw error;
          told.note(`${one.id} is not measured: ${error.message}`);
        }
      }
    } finally {
      for (const { child } of started) child.close();
    }
  }
  for (const row of rows) {
    const best = fastestTorch(row);
    if (options.torchVariants && best !== undefined) told.note(`${row.case.id}: the fastest was ${best}`);
  }
  return rows;
}

function fastestTorch({ timings }: Row): string | undefined {
  const [best] = Object.entries(timings)
    .filter(([name]) => name.startsWith('PyTorch'))
    .sort(([, a], [, b]) => a.ms.median - b.ms.median);
  return best?.[0];
}

/** From what Linux says of the processor. */
function widestVectors(): Results['vectors'] {
  let flags = '';
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // another system: nothing is said
  }
  if (/\bavx512f\b/.test(flags)) return 'AVX-512';
  return /\bavx2\b/.test(flags) ? 'AVX2' : 'other';
}
