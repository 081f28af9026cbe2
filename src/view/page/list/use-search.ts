/** The runs and sweeps that a search finds. */
import { useMemo } from 'preact/hooks';
import type { CommonConfig, SweepRow } from '../../document.js';
import { Fields } from './fields.js';
import type { RunLine } from './line.js';
import { matchesSearch, parseSearch, unknownFields } from './search.js';

type SweepLine = Pick<
  SweepRow,
  'id' | 'name' | 'path' | 'started' | 'metric' | 'best' | 'duration_s' | 'tags' | 'note'
> & {
  readonly state: string;
};

export interface Found<Run, Sweep> {
  readonly runs: readonly Run[];
  readonly sweeps: readonly Sweep[];
  /** Unknown fields of the search. */
  readonly unknown: readonly string[];
}

export function useSearch<Run extends RunLine, Sweep extends SweepLine>(
  runs: readonly Run[],
  sweeps: readonly Sweep[],
  common: CommonConfig,
  text: string,
): Found<Run, Sweep> {
  return useMemo(() => {
    const lines = sweeps.map(asRun);
    const fields = new Fields([...runs, ...lines], common);
    const terms = parseSearch(text);
    return {
      runs: runs.filter(row => matchesSearch(row, terms, fields, common)),
      sweeps: sweeps.filter((_, i) => matchesSearch(lines[i], terms, fields, {})),
      unknown: unknownFields(terms, fields),
    };
  }, [runs, sweeps, common, text]);
}

/** A sweep with the fields of a run that it has. */
function asRun({ id, name, path, state, started, metric, best, duration_s, tags, note }: SweepLine): RunLine {
  return {
    id,
    name,
    path,
    state,
    started,
    seed: null,
    steps: 0,
    epochs: 0,
    tags,
    note,
    config: {},
    metrics: best === null ? [] : [{ name: metric, value: best.value }],
    gates: null,
    duration_s,
    sparkline: null,
  };
}
