/** What a page can watch: the list, a run, a sweep, a comparison of runs. Each is sent whole. */

import { join } from 'node:path';
import { comparisonOf } from '../../judge/comparison/compare.js';
import { findTrials } from '../../run/find.js';
import { LogFollower } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import { Run } from '../../run/run.js';
import { isSweepWorkedOn } from '../../sweep/results.js';
import { comparisonBlocks } from '../comparison-document.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import { type Catalog, nextTurn, RUN_FILES, SWEEP_FILES, signatureOf } from './catalog.js';

export interface Subject {
  readonly kind: 'list' | 'run' | 'sweep' | 'comparison';
  /** In the list: none of it, one of a run or a sweep, 2 to `MAX_COMPARED` of runs to compare. */
  readonly paths: readonly string[];
  readonly isStream: boolean;
}

/** More curves cannot be distinguished in one chart. */
const MAX_COMPARED = 12;

/**
 * Parses `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH` and
 * `/api/comparison?run=PATH&run=PATH`, each also with `/events` at the end of its path. Throws a
 * URIError if it is malformed.
 */
export function subjectOf(address: string): Subject | undefined {
  const [, what = '', events, query] = /^\/api\/([^?]+?)(\/events)?(?:\?(.*))?$/.exec(address) ?? [];
  const isStream = events !== undefined;
  if (what === 'list') return { kind: 'list', paths: [], isStream };
  if (what === 'comparison') {
    const paths = [...new Set(new URLSearchParams(query).getAll('run'))];
    const isPossible = paths.length >= 2 && paths.length <= MAX_COMPARED;
    return isPossible ? { kind: 'comparison', paths, isStream } : undefined;
  }
  const [, kind, path] = /^(run|sweep)s\/(.+)$/.exec(what) ?? [];
  if (path === undefined) return undefined;
  const decoded = path.split('/').map(decodeURIComponent).join('/');
  return { kind: kind as 'run' | 'sweep', paths: [decoded], isStream };
}

export interface Source {
  /** Differs if the document may have changed. */
  version(): string | Promise<string>;
  document(): object | Promise<object>;
  close(): void;
}

export async function sourceOf({ kind, paths }: Subject, catalog: Catalog): Promise<Source | undefined> {
  const folders: string[] = [];
  for (const path of paths) {
    const folder = await catalog.find(kind === 'sweep' ? 'sweep' : 'run', path);
    if (folder === undefined) return undefined;
    folders.push(folder);
  }
  if (kind === 'list') return listSource(catalog);
  if (kind === 'sweep') return sweepSource(folders[0]);
  const runs = paths.map((path, i) => followedRun(path, folders[i]));
  return {
    version: () => runs.map(run => run.version()).join(' '),
    document: async () => (kind === 'run' ? (await runs[0].read()).report : compared(runs)),
    close: () => {
      for (const run of runs) run.close();
    },
  };
}

function listSource(catalog: Catalog): Source {
  return {
    version: async () => {
      await catalog.freshen();
      return String(catalog.version);
    },
    document: () => catalog.list,
    close: () => {},
  };
}

function sweepSource(folder: string): Source {
  return {
    version: () => {
      const own = signatureOf(folder, SWEEP_FILES);
      const logs = findTrials(folder).map(({ path }) => signatureOf(path, ['log.jsonl']));
      return [own, isSweepWorkedOn(folder), ...logs].join(' ');
    },
    document: () => buildSweepReport(folder),
    close: () => {},
  };
}

/** Longer curves are reduced to their extremes; twice the columns of a wide screen. */
const CAPACITY = 1000;

function followedRun(path: string, folder: string) {
  const log = new LogFollower(join(folder, 'log.jsonl'), CAPACITY);
  return {
    version: () => `${signatureOf(folder, RUN_FILES)} ${isLocked(join(folder, 'run.lock'))}`,
    read: async () => {
      // other work gets a turn after each megabyte
      while (log.poll()) await nextTurn();
      const run = Run.read(folder);
      return { path, run, report: runReportOf(run, log.history) };
    },
    close: () => log.close(),
  };
}

export type ComparisonReport = Awaited<ReturnType<typeof compared>>;

/** Runs compared as by `compare`; those that differ only in their seed are one side. */
async function compared(sources: readonly ReturnType<typeof followedRun>[]) {
  const read = [];
  for (const source of sources) read.push(await source.read());
  const all = read.map(({ run }) => run);
  const names = [...new Set(all.map(({ name }) => name))];
  const groups = names.map(name => ({ argument: name, runs: all.filter(run => run.name === name) }));
  const { comparison, sides } = comparisonOf(groups, { metrics: [], all: false, leftOut: [] });
  const runs = read.map(({ path, run, report }) => {
    const side = sides.find(({ runs }) => runs.some(({ record }) => record === run));
    return { path, side: side?.id ?? null, report };
  });
  return {
    kind: 'comparison' as const,
    version: 1 as const,
    comparison,
    blocks: comparisonBlocks(comparison),
    runs,
  };
}
