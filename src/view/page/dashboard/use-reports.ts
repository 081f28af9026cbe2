/**
 * The reports of several runs, fetched again when the list reports a change: one connection for any
 * number of runs.
 */
import { useEffect, useState } from 'preact/hooks';
import type { ComparisonReport, RunReport } from '../../document.js';
import type { ListDocument, Listed } from '../../server/documents.js';
import { applyListChange } from './apply.js';
import { encodePath } from './route.js';
import { useLive } from './use-live.js';

interface Reports {
  /** By path; missing if unavailable. */
  readonly reports: ReadonlyMap<string, RunReport>;
  /** The comparison of all; undefined for a single run, or if one is unavailable. */
  readonly comparison: ComparisonReport | undefined;
  readonly trouble: string | undefined;
}

const NONE: Reports = { reports: new Map(), comparison: undefined, trouble: undefined };

export function useReports(paths: readonly string[]): Reports {
  const list = useLive<ListDocument>('/api/list', applyListChange);
  const [got, setGot] = useState<Reports>(NONE);
  const rows = paths.map(path => list.document && rowOf(path, list.document));
  // an entry of the list changes exactly when the run's files change
  const version = list.document === undefined ? undefined : JSON.stringify(rows);
  useEffect(() => {
    if (version === undefined) return;
    const stop = new AbortController();
    readAll(paths, stop.signal).then(
      reports => setGot(reports),
      error => {
        if (!stop.signal.aborted) setGot(old => ({ ...old, trouble: String(error) }));
      },
    );
    return () => stop.abort();
  }, [paths, version]);
  return { ...got, trouble: list.trouble ?? got.trouble };
}

/** The entry of a trial is that of its sweep. */
function rowOf(path: string, { runs, sweeps }: ListDocument): Listed | undefined {
  return (
    runs.find(run => run.path === path) ?? sweeps.find(sweep => path.startsWith(`${sweep.path}/trials/`))
  );
}

async function readAll(paths: readonly string[], signal: AbortSignal): Promise<Reports> {
  const answers = await Promise.all(
    paths.map(async path => {
      const response = await fetch(`/api/runs/${encodePath(path)}`, { signal });
      return { path, ok: response.ok, value: await response.json() };
    }),
  );
  const comparison = paths.length < 2 ? undefined : await readComparison(paths, signal);
  const failed = answers.find(({ ok }) => !ok);
  return {
    reports: new Map(answers.filter(({ ok }) => ok).map(({ path, value }) => [path, value as RunReport])),
    comparison,
    trouble: failed && `${failed.path}: ${failed.value.error}`,
  };
}

/** If one of the runs cannot be read, its own response says why. */
async function readComparison(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ComparisonReport | undefined> {
  const query = new URLSearchParams(paths.map(path => ['run', path]));
  const response = await fetch(`/api/comparison?${query}`, { signal });
  return response.ok ? ((await response.json()) as ComparisonReport) : undefined;
}
