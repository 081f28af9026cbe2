/**
 * The fields of a run that can be searched, sorted and grouped by, under the names that people
 * type.
 */
import type { CommonConfig } from '../../document.js';
import { configValue, type RunLine } from './line.js';

export type FieldValue = number | string | readonly string[] | null;

type Reader = (row: RunLine) => FieldValue;

/** By each of its names. */
const OWN: readonly (readonly [names: readonly string[], read: Reader])[] = [
  [['name', 'experiment'], row => row.name],
  [['id', 'run'], row => row.id],
  [['state', 'status'], row => row.state],
  [['tag', 'tags'], row => row.tags],
  [['note'], row => row.note],
  [['gates', 'gate'], row => row.gates],
  [['seed'], row => row.seed],
  [['epochs', 'epoch'], row => row.epochs],
  [['steps', 'step'], row => row.steps],
  [['time', 'duration'], row => row.duration_s],
  [['started', 'date'], row => row.started],
];
const OWN_READERS: ReadonlyMap<string, Reader> = new Map(
  OWN.flatMap(([names, read]) => names.map(name => [name, read] as const)),
);

export class Fields {
  private readonly metrics: readonly string[];
  private readonly keys: readonly string[];
  private readonly resolved = new Map<string, readonly Reader[]>();

  constructor(
    rows: readonly RunLine[],
    private readonly common: CommonConfig,
  ) {
    this.metrics = [...new Set(rows.flatMap(row => row.metrics.map(({ name }) => name)))];
    this.keys = [...new Set([...rows.flatMap(row => Object.keys(row.config ?? {})), ...Object.keys(common)])];
  }

  /**
   * Resolves `name`: a fact of the run, otherwise metrics and config keys by their full name, their
   * last words (`accuracy`, `learning_rate`) or the initials of the last word (`lr`), whichever
   * matches first. Several if it is ambiguous, none if it is unknown.
   */
  resolve(name: string): readonly Reader[] {
    const wanted = name.toLowerCase();
    const known = this.resolved.get(wanted);
    if (known !== undefined) return known;
    const found = this.find(wanted);
    this.resolved.set(wanted, found);
    return found;
  }

  private find(wanted: string): readonly Reader[] {
    const own = OWN_READERS.get(wanted);
    if (own !== undefined) return [own];
    for (const matches of MATCHES) {
      const metrics = this.metrics.filter(name => matches(name, wanted));
      const keys = this.keys.filter(key => matches(key, wanted));
      if (metrics.length + keys.length > 0)
        return [
          ...metrics.map(
            (name): Reader =>
              row =>
                metricOf(row, name),
          ),
          ...keys.map(
            (key): Reader =>
              row =>
                configValue(row, this.common, key) ?? null,
          ),
        ];
    }
    return [];
  }
}

type Matches = (name: string, wanted: string) => boolean;

const MATCHES: readonly Matches[] = [
  (name, wanted) => name === wanted,
  (name, wanted) => name.endsWith(`.${wanted}`),
  (name, wanted) => wanted.length > 1 && initialsOf(name) === wanted,
];

/** `lr` of `optimizer.learning_rate`. */
function initialsOf(name: string): string {
  return name
    .slice(name.lastIndexOf('.') + 1)
    .split('_')
    .map(word => word.charAt(0))
    .join('');
}

export function metricOf(row: RunLine, metric: string): number | string | null {
  return row.metrics.find(({ name }) => name === metric)?.value ?? null;
}
