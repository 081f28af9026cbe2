/** The columns of lists of runs and sweeps, and which of them are shown by default. */

import { formatMetric, formatSeconds, formatTime, isShare, words } from '../../util/numbers.js';
import { Badge, type Column, field, Linked, Tags, Value } from './components.js';
import { Sparkline } from './plot.js';
import {
  byImportance,
  differingKeys,
  distinct,
  distinguishingKeys,
  metricOf,
  numberIn,
  type RunLine,
  type Summary,
  settingsOf,
  summarize,
  titleOf,
} from './run-list.js';

export interface RunColumn extends Column<RunLine> {
  readonly title: string;
  readonly isDefault: boolean;
}

/** The address of a run or a sweep, if it has one. */
export type Link = ((path: string) => string) | undefined;

function idColumn(title: string, link: Link): Column<RunLine> {
  return field('id', {
    title,
    isText: true,
    show: ({ path, id }) => (
      <span class="id">
        <Linked href={link?.(path)}>{id}</Linked>
      </span>
    ),
  });
}

const STATE = field<RunLine>('state', { isText: true, show: ({ state }) => <Badge of={state} /> });
const CURVE: Column<RunLine> = {
  name: 'curve',
  isText: true,
  sortBy: row => row.sparkline?.metric,
  show: ({ sparkline }) => (sparkline ? <Sparkline of={sparkline} /> : '–'),
};
const GATES = field<RunLine>('gates', {
  isText: true,
  show: ({ gates }) => (gates ? <Badge of={gates} /> : '–'),
});
const FACTS: readonly Column<RunLine>[] = [
  field('tags', {
    isText: true,
    sortBy: ({ tags }) => tags.join(' '),
    show: ({ tags }) => <Tags tags={tags} />,
  }),
  field('duration_s', {
    name: 'duration',
    title: 'time',
    show: ({ duration_s: seconds }) => shownSeconds(seconds),
    summary: rows => {
      const value = summarize(rows.map(row => row.duration_s))?.mean;
      return { value, text: <span title="mean">{shownSeconds(value)}</span> };
    },
  }),
  field('started', {
    isText: true,
    show: ({ started }) => (started === null ? '–' : formatTime(started)),
  }),
  field('note', { isText: true, show: ({ note }) => note !== null && <span class="remark">{note}</span> }),
  field('message', { isText: true, show: ({ message }) => message }),
];

function shownSeconds(seconds: number | null | undefined): string {
  return typeof seconds === 'number' ? formatSeconds(seconds) : '–';
}

const MAX_METRICS = 4;
const MAX_SETTINGS = 6;

export function runColumns(rows: readonly RunLine[], link: Link): readonly RunColumn[] {
  const metrics = distinct(rows.flatMap(row => row.metrics.map(({ name }) => name))).toSorted(byImportance);
  const fact = (column: Column<RunLine>, isDefault = hasAny(rows, column)): RunColumn => ({
    ...column,
    title: String(column.title ?? column.name),
    isDefault,
  });
  const ifTelling = (name: 'epochs' | 'steps' | 'seed') =>
    fact(field(name), rows.length < 2 || rows.some(row => row[name] !== rows[0][name]));
  return [
    fact(field('name', { title: 'experiment', isText: true }), true),
    fact(idColumn('run', link), true),
    fact(STATE, true),
    ...metrics.map((metric, i) => metricColumn(metric, i < MAX_METRICS || metric === 'train.loss')),
    fact(CURVE),
    ...configColumns(rows),
    fact(GATES),
    ...(['epochs', 'steps', 'seed'] as const).map(ifTelling),
    ...FACTS.map(column => fact(column)),
  ];
}

function hasAny(rows: readonly RunLine[], { sortBy }: Column<RunLine>): boolean {
  return rows.some(row => (sortBy?.(row) ?? '') !== '');
}

function configColumns(rows: readonly RunLine[]): readonly RunColumn[] {
  const keys = distinct([...differingKeys(rows), ...settingsOf(rows).toSorted()]);
  const shown = distinguishingKeys(rows).slice(0, MAX_SETTINGS);
  return keys.map(key => {
    const read = (row: RunLine) => row.config?.[key];
    return {
      name: key,
      title: titleOf(key, keys),
      isText: rows.some(row => numberIn(read(row) ?? '0') === undefined),
      isDefault: shown.includes(key),
      sortBy: row => numberIn(read(row) ?? '') ?? read(row),
      show: row => <span class="setting">{read(row) ?? '–'}</span>,
    };
  });
}

function metricColumn(metric: string, isDefault: boolean): RunColumn {
  const read = (row: RunLine) => {
    const value = metricOf(row, metric);
    return typeof value === 'number' ? value : null;
  };
  return {
    name: metric,
    title: words(metric),
    isDefault,
    sortBy: read,
    show: row => <Value metric={metric} value={metricOf(row, metric)} />,
    summary: rows => {
      const told = summarize(rows.map(read));
      return { value: told?.mean, text: told ? <Mean metric={metric} of={told} /> : '–' };
    },
  };
}

function Mean({ metric, of: { mean, spread, count } }: { readonly metric: string; readonly of: Summary }) {
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

export function sweepColumns(rows: readonly RunLine[], link: Link): readonly Column<RunLine>[] {
  const best = ({ metrics }: RunLine) => metrics[0]?.value;
  return [
    field('name', { title: 'sweep', isText: true }),
    idColumn('id', link),
    STATE,
    field('trials'),
    field('objective', { isText: true }),
    {
      name: 'best',
      sortBy: row => best(row),
      show: row => <Value metric={row.objective ?? ''} value={best(row)} />,
    },
    ...FACTS.filter(column => hasAny(rows, column)),
  ];
}
