/** One run of the benchmark, from its options to its results. */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { gitState, machine, versions } from '../../src/run/manifest.js';
import { usableCores } from '../../src/train/threads.js';
import { usageError } from '../../src/util/errors.js';
import { BUCKETED_LENGTHS, bucketedId, measureBucketed } from './bucketed.js';
import { allCases, type BenchCase, quickCases } from './cases.js';
import { measureCalibrated, measureChecks } from './checks.js';
import { contenders, missingTfjs, startAll } from './contenders.js';
import { measureDashboard } from './dashboard.js';
import { measureFromDisk } from './from-disk.js';
import { measureCase, type Pace } from './measure.js';
import type { BenchOptions } from './options.js';
import { measurePredict } from './predict.js';
import { type Figure, RESULTS_VERSION, type Results, type Row } from './results.js';
import { measureReview } from './review.js';
import { measureSoak } from './soak.js';
import { measureWhole } from './whole.js';

/** Seconds of calls of each contender in each round. */
const SECONDS = { full: 0.4, quick: 0.15 };
/** A run on 8 GB takes about a minute. */
const DISK_ROUNDS = 2;
/** Load over the last minute from which something else computes beside us. */
const BUSY = 0.5;
/** More threads than this are measured where they are asked for. */
const DEFAULT_THREADS = 2;

/** What is no case, by the option that asks for it; without one it is always measured. */
const FIGURES = [
  [undefined, 'checks/step'],
  [undefined, 'step/calibration'],
  ...BUCKETED_LENGTHS.map(length => [undefined, bucketedId(length)] as const),
  ['whole', 'whole/start'],
  ['whole', 'whole/run'],
  ['whole', 'whole/peak-rss'],
  ['whole', 'whole/review'],
  ['whole', 'whole/predict'],
  ['whole', 'whole/predict-jsonl'],
  ['whole', 'whole/status'],
  ['whole', 'whole/suggestion'],
  ['whole', 'whole/trial'],
  ['whole', 'whole/parallel-trials'],
  ['soak', 'soak/rss'],
  ['disk', 'disk/step'],
  ['disk', 'disk/rss'],
  ['dashboard', 'dashboard/list'],
  ['dashboard', 'dashboard/run'],
] as const;

/** Measures what `options` want; `progress` gets a line now and then. */
export async function runBench(options: BenchOptions, progress: (text: string) => void): Promise<Results> {
  const threads = options.threads ?? Math.min(DEFAULT_THREADS, usableCores());
  const notes = new Set<string>();
  const found: Record<string, string> = { ...versions() };
  const wanted = (id: string) => options.only?.test(id) ?? true;
  const cases = (options.quick ? quickCases(threads) : allCases(threads)).filter(({ id }) => wanted(id));
  const figuresWanted = FIGURES.filter(
    ([flag, id]) => (!flag || options[flag]) && wanted(id) && !(options.quick && id === bucketedId(128)),
  );
  if (cases.length + figuresWanted.length === 0) {
    throw usageError({
      code: 'bench/option',
      message: '--only matches nothing that is measured',
      expected: `part of an id such as ${allCases(threads)[0].id}, or whole/, soak/, disk/ or dashboard/ with the flag of that name`,
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
  if (figuresWanted.some(([, id]) => id === 'checks/step')) {
    progress('checks/step');
    figures.push(await measureChecks(threads, options.rounds));
  }
  if (figuresWanted.some(([, id]) => id === 'step/calibration')) {
    progress('step/calibration');
    figures.push(await measureCalibrated(threads, options.rounds));
  }
  for (const length of BUCKETED_LENGTHS) {
    const id = bucketedId(length);
    if (!figuresWanted.some(one => one[1] === id)) continue;
    progress(id);
    figures.push(await measureBucketed(length, threads, options.rounds));
  }
  if (figuresWanted.some(([flag]) => flag === 'whole')) {
    progress('whole program');
    const python = options.peers ? options.python : undefined;
    const note = (text: string) => notes.add(text);
    figures.push(...(await measureWhole({ threads, rounds: options.rounds, python, wanted, note })));
  }
  if (figuresWanted.some(([, id]) => id === 'whole/review')) {
    progress('review of a long log');
    figures.push(...(await measureReview(options.rounds)));
  }
  if (figuresWanted.some(([, id]) => id.startsWith('whole/predict'))) {
    progress('prediction of a gigabyte');
    figures.push(...(await measurePredict(id => figuresWanted.some(one => one[1] === id))));
  }
  if (figuresWanted.some(([flag]) => flag === 'disk')) {
    progress(`training on ${options.gigabytes} GB on the disk`);
    figures.push(...(await measureFromDisk(options.gigabytes, DISK_ROUNDS)));
  }
  if (figuresWanted.some(([flag]) => flag === 'soak')) {
    progress('memory over 10,000 steps');
    figures.push(...(await measureSoak(threads)));
  }
  if (figuresWanted.some(([flag]) => flag === 'dashboard')) {
    progress('dashboard');
    figures.push(...(await measureDashboard(options.rounds, wanted)));
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
        rows.push(await measureCase(one, started, pace));
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

/** The fastest of PyTorch's ways on one case; undefined if none was measured. */
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
