/** The columns of lists of runs and sweeps, and which of them are shown by default. */

import { formatMetric, formatSeconds, formatTime, isShare, words } from '../../util/numbers.js';
import type { SweepRow } from '../document.js';
import { Badge, type Column, field, Value } from './components.js';
import { byImportance } from './curve-data.js';
import { Sparkline } from './plot.js';
import {
  differingKeys,
  distinct,
  distinguishingKeys,
  metricOf,
  numberIn,
  type RunLine,
  settingsOf,
  shortTitles,
  summarize,
} from './run-list.js';

export interface RunColumn<Row> extends Column<Row> {
  readonly title: string;
  readonly section: 'Run' | 'Config' | 'Metrics';
  readonly isDefault: boolean;
}

/** The fields of a sweep that the columns need. */
export type SweepLine = Omit<SweepRow, 'state' | 'states' | 'goal'> & {
  readonly state: string;
  readonly message?: string | null;
};

type Line = Pick<RunLine, 'name' | 'id' | 'path' | 'state' | 'tags' | 'note' | 'started' | 'duration_s'> & {
  readonly message?: string | null;
};

type Link = (path: string) => string | undefined;

/** Facts of runs and sweeps. */
function factsOf<Row extends Line>(link: Link, kind: string) {
  return {
    first: [
      field<Row>('name', { title: kind === 'run' ? 'experiment' : 'sweep', isText: true }),
      field<Row>('id', {
        title: kind === 'run' ? 'run' : 'id',
        isText: true,
        show: ({ path, id }) => {
          const href = link(path);
          return href === undefined ? (
            <span class="id">{id}</span>
          ) : (
            <a class="id" href={href}>
              {id}
            </a>
          );
        },
      }),
      field<Row>('state', { isText: true, show: ({ state }) => <Badge of={state} /> }),
    ],
    tags: field<Row>('tags', {
      isText: true,
      sortBy: ({ tags }) => tags.join(' '),
      show: ({ tags }) => <Tags tags={tags} />,
    }),
    duration: field<Row>('duration_s', {
      name: 'duration',
      title: 'time',
      show: ({ duration_s: seconds }) => shownSeconds(seconds),
      summary: {
        value: rows => summarize(rows.map(row => row.duration_s))?.mean,
        show: rows => (
          <span title="mean">{shownSeconds(summarize(rows.map(row => row.duration_s))?.mean)}</span>
        ),
      },
    }),
    started: field<Row>('started', {
      isText: true,
      show: ({ started }) => (started === null ? '–' : formatTime(started)),
    }),
    note: field<Row>('note', {
      isText: true,
      show: ({ note }) => note !== null && <span class="remark">{note}</span>,
    }),
    message: { ...field<Row>('message', { isText: true }), show: (row: Row) => row.message },
  };
}

function shownSeconds(seconds: number | null | undefined): string {
  return typeof seconds === 'number' ? formatSeconds(seconds) : '–';
}

/** Numbers of metrics and settings that are shown by default. */
const MAX_METRICS = 4;
const MAX_SETTINGS = 6;

/** All columns: the name, then metrics, distinguishing settings and times. */
export function runColumns<Row extends RunLine>(rows: readonly Row[], link: Link): readonly RunColumn<Row>[] {
  const metrics = distinct(rows.flatMap(row => row.metrics.map(({ name }) => name))).toSorted(byImportance);
  const { first, tags, duration, started, note, message } = factsOf<Row>(link, 'run');
  const fact = (column: Column<Row>, isDefault: boolean): RunColumn<Row> => ({
    ...column,
    title: String(column.title ?? column.name),
    section: 'Run',
    isDefault,
  });
  const ifAny = (column: Column<Row>) =>
    fact(
      column,
      rows.some(row => (column.sortBy?.(row) ?? '') !== ''),
    );
  const ifTelling = (name: 'epochs' | 'steps' | 'seed') =>
    fact(field<Row>(name), rows.length < 2 || rows.some(row => row[name] !== rows[0][name]));
  return [
    ...first.map(column => fact(column, true)),
    ...metrics.map((metric, i) => metricColumn<Row>(metric, i < MAX_METRICS || metric === 'train.loss')),
    ifAny(curve()),
    ...configColumns(rows),
    ifAny(
      field<Row>('gates', {
        isText: true,
        show: ({ gates }) => (gates === null ? '–' : <Badge of={gates} />),
      }),
    ),
    ifAny(tags),
    ...(['epochs', 'steps', 'seed'] as const).map(ifTelling),
    ifAny(duration),
    ifAny(started),
    ifAny(note),
    ifAny(message),
  ];
}

function curve<Row extends RunLine>(): Column<Row> {
  return {
    name: 'curve',
    isText: true,
    sortBy: row => row.sparkline?.metric,
    show: row => (row.sparkline === null ? '–' : <Sparkline of={row.sparkline} />),
  };
}

/** Titles of other columns. */
const TAKEN = ['experiment', 'run', 'state', 'epochs', 'steps', 'seed', 'time', 'note'];

function configColumns<Row extends RunLine>(rows: readonly Row[]): readonly RunColumn<Row>[] {
  const keys = distinct([...differingKeys(rows), ...settingsOf(rows).toSorted()]);
  const titles = shortTitles(keys, TAKEN);
  const shown = distinguishingKeys(rows, MAX_SETTINGS);
  return keys.map(key => {
    const read = (row: Row) => row.config?.[key];
    return {
      name: key,
      title: titles.get(key) ?? key,
      section: 'Config',
      isText: rows.some(row => numberIn(read(row) ?? '0') === undefined),
      isDefault: shown.includes(key),
      sortBy: row => numberIn(read(row) ?? '') ?? read(row),
      show: row => <span class="setting">{read(row) ?? '–'}</span>,
    };
  });
}

function metricColumn<Row extends RunLine>(metric: string, isDefault: boolean): RunColumn<Row> {
  const read = (row: Row) => {
    const value = metricOf(row, metric);
    return typeof value === 'number' ? value : null;
  };
  return {
    name: metric,
    title: words(metric),
    section: 'Metrics',
    isDefault,
    sortBy: read,
    show: row => <Value metric={metric} value={row.metrics.find(({ name }) => name === metric)?.value} />,
    summary: {
      value: rows => summarize(rows.map(read))?.mean,
      show: rows => <Mean metric={metric} values={rows.map(read)} />,
    },
  };
}

/** The mean and standard deviation of a group. */
function Mean({ metric, values }: { readonly metric: string; readonly values: readonly (number | null)[] }) {
  const told = summarize(values);
  if (told === undefined) return '–';
  const { mean, spread, count } = told;
  return (
    <span title={`mean of ${count}${spread === null ? '' : ' ± standard deviation'}`}>
      <Value metric={metric} value={mean} />
      {spread !== null && (
        <small data-spread={String(spread)}>
          {' '}
          ± {isShare(metric) ? (100 * spread).toFixed(2) : formatMetric('', Number(spread.toPrecision(2)))}
        </small>
      )}
    </span>
  );
}

export function Tags({ tags }: { readonly tags: readonly string[] }) {
  return tags.flatMap((tag, i) => [
    i > 0 && ' ',
    <span key={tag} class="label">
      {tag}
    </span>,
  ]);
}

/** The name first; tags, notes and messages if any sweep has them. */
export function sweepColumns<Row extends SweepLine>(
  rows: readonly Row[],
  link: Link,
): readonly Column<Row>[] {
  const { first, tags, duration, started, note, message } = factsOf<Row>(link, 'sweep');
  return [
    ...first,
    field<Row>('trials'),
    field<Row>('metric', { title: 'objective', isText: true }),
    field<Row>('best', {
      sortBy: row => row.best?.value,
      show: row => <Value metric={row.metric} value={row.best?.value ?? null} />,
    }),
    ...(rows.some(row => row.tags.length > 0) ? [tags] : []),
    duration,
    started,
    ...(rows.some(row => row.note !== null) ? [note] : []),
    ...(rows.some(row => row.message) ? [message] : []),
  ];
}
