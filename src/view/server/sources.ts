/** What a page can watch: the list, a run, a sweep, a comparison of runs. Each is sent whole. */

import { join } from 'node:path';
import { comparisonOf } from '../../judge/comparison/compare.js';
import type { Comparison } from '../../judge/comparison/document.js';
import { findTrials } from '../../run/find.js';
import { LogFollower } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import { Run, type RunRecord } from '../../run/run.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import { comparisonBlocks } from '../comparison-document.js';
import type { ComparisonReport, RunReport } from '../document.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import type { Catalog } from './catalog.js';
import { RUN_FILES, SWEEP_FILES, signatureOf } from './listed.js';
import type { Subject } from './requests.js';

export interface Source {
  /** Differs if the document may have changed. */
  version(): Promise<string>;
  document(): Promise<object>;
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
      return folder === undefined ? undefined : new RunSource(folder);
    }
    case 'comparison': {
      const runs = new Map<string, RunSource>();
      for (const path of subject.paths) {
        const folder = await catalog.find('run', path);
        if (folder === undefined) return undefined;
        runs.set(path, new RunSource(folder));
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
    document: async () => catalog.list,
    close: () => {},
  };
}

function sweepSource(folder: string): Source {
  return {
    version: async () => {
      const own = signatureOf(folder, SWEEP_FILES);
      const logs = findTrials(folder).map(({ path }) => signatureOf(path, ['log.jsonl']));
      return [own, isSweepWorkedOn(folder), ...logs].join(' ');
    },
    document: async () => buildSweepReport(folder),
    close: () => {},
  };
}

/** Longer curves are reduced to their extremes; twice the columns of a wide screen. */
const CAPACITY = 1000;

class RunSource implements Source {
  private readonly log: LogFollower;

  constructor(private readonly folder: string) {
    this.log = new LogFollower(join(folder, 'log.jsonl'), CAPACITY);
  }

  async version(): Promise<string> {
    return `${signatureOf(this.folder, RUN_FILES)} ${isLocked(join(this.folder, 'run.lock'))}`;
  }

  async document(): Promise<RunReport> {
    return (await this.read()).report;
  }

  async read(): Promise<{ readonly run: Run; readonly report: RunReport }> {
    // other work gets a turn after each megabyte
    while (this.log.poll()) await new Promise(resolve => setImmediate(resolve));
    const run = Run.read(this.folder);
    return { run, report: runReportOf(run, this.log.history) };
  }

  close(): void {
    this.log.close();
  }
}

function comparisonSource(runs: ReadonlyMap<string, RunSource>): Source {
  return {
    version: async () => {
      const versions = await Promise.all([...runs.values()].map(run => run.version()));
      return versions.join(' ');
    },
    document: async () => {
      const read = [];
      for (const [path, source] of runs) read.push({ path, ...(await source.read()) });
      const comparison = comparisonOfRuns(read.map(({ run }) => run));
      return {
        kind: 'comparison',
        version: 1,
        comparison,
        blocks: comparisonBlocks(comparison),
        runs: read.map(({ path, run, report }) => ({ path, side: sideOf(run, comparison), report })),
      } satisfies ComparisonReport;
    },
    close: () => {
      for (const run of runs.values()) run.close();
    },
  };
}

function comparisonOfRuns(runs: readonly RunRecord[]): Comparison {
  const names = [...new Set(runs.map(({ name }) => name))];
  const groups = names.map(name => ({ argument: name, runs: runs.filter(run => run.name === name) }));
  return comparisonOf(groups, { metrics: [], all: false, leftOut: [] }).comparison;
}

function sideOf({ directory: { path } }: RunRecord, { sides }: Comparison): string | null {
  return sides.find(({ runs }) => runs.some(({ directory }) => directory === path))?.id ?? null;
}
