/** What a page can watch: the list, a run, a sweep, a comparison of runs. Each is sent whole. */

import { join } from 'node:path';
import { comparisonOf } from '../../judge/comparison/compare.js';
import { findTrials } from '../../run/find.js';
import { LogFollower } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import { Run } from '../../run/run.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import { comparisonBlocks } from '../comparison-document.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import { type Catalog, RUN_FILES, SWEEP_FILES, signatureOf } from './catalog.js';

export type Subject =
  | { readonly kind: 'list' }
  | { readonly kind: 'run' | 'sweep'; readonly path: string }
  /** 2 to `MAX_COMPARED` runs. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] };

/** More curves cannot be distinguished in one chart. */
const MAX_COMPARED = 12;

/**
 * Parses `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH` and
 * `/api/comparison?run=PATH&run=PATH`, each also with `/events` at the end of its path. Throws a
 * URIError if it is malformed.
 */
export function subjectOf(address: string): { readonly subject: Subject; isStream: boolean } | undefined {
  const [, what, events, query] = /^\/api\/([^?]+?)(\/events)?(?:\?(.*))?$/.exec(address) ?? [];
  const isStream = events !== undefined;
  if (what === 'list') return { subject: { kind: 'list' }, isStream };
  if (what === 'comparison') {
    const paths = [...new Set(new URLSearchParams(query).getAll('run'))];
    const isPossible = paths.length >= 2 && paths.length <= MAX_COMPARED;
    return isPossible ? { subject: { kind: 'comparison', paths }, isStream } : undefined;
  }
  const [, kind, path] = /^(run|sweep)s\/(.+)$/.exec(what ?? '') ?? [];
  if (path === undefined) return undefined;
  const decoded = path.split('/').map(decodeURIComponent).join('/');
  return { subject: { kind: kind as 'run' | 'sweep', path: decoded }, isStream };
}

export interface Source {
  /** Differs if the document may have changed. */
  version(): string | Promise<string>;
  document(): object | Promise<object>;
  close(): void;
}

export async function sourceOf(subject: Subject, catalog: Catalog): Promise<Source | undefined> {
  switch (subject.kind) {
    case 'list':
      return listSource(catalog);
    case 'sweep': {
      const folder = await catalog.find('sweep', subject.path);
      return folder === undefined ? undefined : sweepSource(folder);
    }
    case 'run': {
      const folder = await catalog.find('run', subject.path);
      return folder === undefined ? undefined : new RunSource(subject.path, folder);
    }
    case 'comparison': {
      const runs: RunSource[] = [];
      for (const path of subject.paths) {
        const folder = await catalog.find('run', path);
        if (folder === undefined) return undefined;
        runs.push(new RunSource(path, folder));
      }
      return comparisonSource(runs);
    }
    default:
      return subject satisfies never;
  }
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

class RunSource implements Source {
  private readonly log: LogFollower;

  constructor(
    readonly path: string,
    private readonly folder: string,
  ) {
    this.log = new LogFollower(join(folder, 'log.jsonl'), CAPACITY);
  }

  version(): string {
    return `${signatureOf(this.folder, RUN_FILES)} ${isLocked(join(this.folder, 'run.lock'))}`;
  }

  async document() {
    return (await this.read()).report;
  }

  async read() {
    // other work gets a turn after each megabyte
    while (this.log.poll()) await new Promise(resolve => setImmediate(resolve));
    const run = Run.read(this.folder);
    return { path: this.path, run, report: runReportOf(run, this.log.history) };
  }

  close(): void {
    this.log.close();
  }
}

function comparisonSource(runs: readonly RunSource[]): Source {
  return {
    version: () => runs.map(run => run.version()).join(' '),
    document: () => compared(runs),
    close: () => {
      for (const run of runs) run.close();
    },
  };
}

export type ComparisonReport = Awaited<ReturnType<typeof compared>>;

/** Runs compared as by `compare`; those that differ only in their seed are one side. */
async function compared(sources: readonly RunSource[]) {
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
