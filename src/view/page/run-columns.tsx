/** The columns of lists of runs and sweeps, and which of them are shown by default. */

import { formatMetric, formatSeconds, formatTime, isShare, words } from '../../util/numbers.js';
import type { CommonConfig, SweepRow } from '../document.js';
import { Badge, type Link, type SortableColumn, Value } from './components.js';
import { byImportance } from './curve-data.js';
import {
  configValue,
  differingKeys,
  distinguishingKeys,
  isSetting,
  metricOf,
  numberIn,
  type RunLine,
  shortTitles,
  summarize,
} from './run-list.js';
import { Sparkline } from './svg-charts.js';

export interface RunColumn<Row> extends SortableColumn<Row> {
  readonly section: 'Run' | 'Config' | 'Metrics';
  readonly isDefault: boolean;
}

/** See `distinguishingKeys`. */
const CONFIG_COLUMNS = { few: 4, max: 6 };

/** Pixels available to a table on a laptop's screen, which is 1280 wide. */
const TABLE_WIDTH = 1220;
/** Estimated width in pixels of a letter, and of a cell's padding. */
const LETTER = 7.5;
const CELL_PADDING = 20;
const CURVE = 110;
/** Width of the column of checkboxes. */
const CHOICE = 80;
/** Letters of a formatted number. */
const NUMBER_LETTERS = 8;
/** Text is cut off at this width; see `.setting`. */
const MAX_LETTERS = 34;

/** Maximum number of metrics, the most important first. */
const MAX_METRICS = 4;

/**
 * All columns: the name, then metrics, distinguishing settings and times. By default it shows as
 * many settings as fit on a laptop's screen.
 */
export function runColumns<Row extends RunLine>(
  rows: readonly Row[],
  common: CommonConfig,
  link: Link,
): readonly RunColumn<Row>[] {
  const metrics = [...new Set(rows.flatMap(row => row.metrics.map(({ name }) => name)))].sort(byImportance);
  // the ID starts with the time, so the column is hidden by default
  const isTimed = rows.every(({ id, started }) => started === null || startsWithTime(id));
  const fact = (column: SortableColumn<Row>, isDefault: boolean): RunColumn<Row> => ({
    ...column,
    section: 'Run',
    isDefault,
  });
  const hasAny = (column: SortableColumn<Row>) =>
    fact(
      column,
      rows.some(row => !isEmpty(column, row)),
    );
  const ifTelling = (column: SortableColumn<Row>) =>
    fact(column, rows.length < 2 || rows.some(row => column.sortBy(row) !== column.sortBy(rows[0])));
  const before = [
    ...firstColumns<Row>(link, { name: 'experiment', id: 'run' }).map(column => fact(column, true)),
    ...metrics.map((metric, i) => metricColumn<Row>(metric, i < MAX_METRICS || metric === 'train.loss')),
    ...(rows.some(({ sparkline }) => sparkline !== null) ? [fact(curveColumn<Row>(), true)] : []),
  ];
  const after = [
    hasAny(gatesColumn()),
    hasAny(tagsColumn()),
    ifTelling({ name: 'epochs', title: 'epochs', sortBy: row => row.epochs, show: row => row.epochs }),
    ifTelling({ name: 'steps', title: 'steps', sortBy: row => row.steps, show: row => row.steps }),
    ifTelling({ name: 'seed', title: 'seed', sortBy: row => row.seed, show: row => row.seed ?? '–' }),
    hasAny(durationColumn()),
    fact(startedColumn(), !isTimed),
    hasAny(noteColumn()),
  ];
  const others = [...before, ...after].filter(({ isDefault }) => isDefault);
  const taken = others.reduce((sum, column) => sum + widthOf(column, rows), CHOICE);
  return [...before, ...configColumns(rows, common, TABLE_WIDTH - taken), ...after];
}

/** The estimated width of a column in pixels. */
function widthOf<Row>(
  { name, title = name, isText, sortBy }: SortableColumn<Row>,
  rows: readonly Row[],
): number {
  if (name === 'curve') return CURVE;
  const lengths = rows.map(row => {
    const value = sortBy(row) ?? '';
    return isText ? String(value).length : NUMBER_LETTERS;
  });
  // titles wrap between words
  const longest = Math.max(...title.split(' ').map(word => word.length));
  const letters = Math.max(longest, Math.min(MAX_LETTERS, Math.max(0, ...lengths)));
  return LETTER * letters + CELL_PADDING;
}

function isEmpty<Row>(column: SortableColumn<Row>, row: Row): boolean {
  const value = column.sortBy(row);
  return value === null || value === undefined || value === '';
}

function startsWithTime(id: string): boolean {
  return /^\d{8}T\d{6}Z/.test(id);
}

/** @param room pixels for the default columns */
function configColumns<Row extends RunLine>(
  rows: readonly Row[],
  common: CommonConfig,
  room: number,
): readonly RunColumn<Row>[] {
  const differing = differingKeys(rows, common);
  const others = new Set([
    ...rows.flatMap(({ config }) => Object.keys(config ?? {})),
    ...Object.keys(common),
  ]);
  const keys = [
    ...differing,
    ...[...others].filter(key => isSetting(key) && !differing.includes(key)).sort(),
  ];
  const titles = shortTitles(keys, OWN_TITLES);
  const columns = keys.map((key): SettingColumn<Row> => {
    const read = (row: Row) => configValue(row, common, key);
    const isText = rows.some(row => numberIn(read(row) ?? '0') === undefined);
    return {
      name: key,
      title: titles.get(key) ?? key,
      section: 'Config',
      isText,
      sortBy: row => numberIn(read(row) ?? '') ?? read(row),
      show: row => <span class="setting">{read(row) ?? '–'}</span>,
    };
  });
  const shown = new Set<string>();
  let left = room;
  for (const key of distinguishingKeys(rows, common, CONFIG_COLUMNS)) {
    const column = columns.find(({ name }) => name === key);
    const width = column === undefined ? 0 : widthOf(column, rows);
    if (width > left) continue;
    left -= width;
    shown.add(key);
  }
  return columns.map(column => ({ ...column, isDefault: shown.has(column.name) }));
}

type SettingColumn<Row> = Omit<RunColumn<Row>, 'isDefault'>;

const OWN_TITLES: readonly string[] = [
  'experiment',
  'run',
  'state',
  'epochs',
  'steps',
  'seed',
  'time',
  'note',
];

function metricColumn<Row extends RunLine>(metric: string, isDefault: boolean): RunColumn<Row> {
  const read = (row: Row) => metricOf(row, metric);
  const numberOf = (row: Row) => {
    const value = read(row);
    return typeof value === 'number' ? value : null;
  };
  return {
    name: metric,
    title: words(metric),
    section: 'Metrics',
    isDefault,
    sortBy: numberOf,
    show: row => <Value metric={metric} value={row.metrics.find(({ name }) => name === metric)?.value} />,
    summary: {
      value: rows => summarize(rows.map(numberOf))?.mean,
      show: rows => <Mean metric={metric} values={rows.map(numberOf)} />,
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

function tagsColumn<Row extends Pick<RunLine, 'tags'>>(): SortableColumn<Row> {
  return {
    name: 'tags',
    title: 'tags',
    isText: true,
    sortBy: row => row.tags.join(' '),
    show: row => <Tags tags={row.tags} />,
  };
}

export function Tags({ tags }: { readonly tags: readonly string[] }) {
  return tags.flatMap((tag, i) => [
    i > 0 && ' ',
    <span key={tag} class="label">
      {tag}
    </span>,
  ]);
}

function noteColumn<Row extends Pick<RunLine, 'note'>>(): SortableColumn<Row> {
  return {
    name: 'note',
    title: 'note',
    isText: true,
    sortBy: row => row.note,
    show: row => row.note !== null && <span class="remark">{row.note}</span>,
  };
}

function gatesColumn<Row extends RunLine>(): SortableColumn<Row> {
  return {
    name: 'gates',
    title: 'gates',
    isText: true,
    sortBy: row => row.gates,
    show: row => (row.gates === null ? '–' : <Badge of={row.gates} />),
  };
}

function curveColumn<Row extends RunLine>(): SortableColumn<Row> {
  return {
    name: 'curve',
    title: 'curve',
    isText: true,
    sortBy: row => row.sparkline?.metric,
    show: row => (row.sparkline === null ? '–' : <Sparkline of={row.sparkline} />),
  };
}

/** The first columns of runs and sweeps: the name, the ID with its link, the state. */
function firstColumns<Row extends Pick<RunLine, 'name' | 'id' | 'path' | 'state'>>(
  link: Link,
  titles: { readonly name: string; readonly id: string },
): readonly SortableColumn<Row>[] {
  return [
    { name: 'name', title: titles.name, isText: true, sortBy: row => row.name, show: row => row.name },
    {
      name: 'id',
      title: titles.id,
      isText: true,
      sortBy: row => row.id,
      show: row => {
        const href = link(row.path);
        return href === undefined ? (
          <span class="id">{row.id}</span>
        ) : (
          <a class="id" href={href}>
            {row.id}
          </a>
        );
      },
    },
    {
      name: 'state',
      title: 'state',
      isText: true,
      sortBy: row => row.state,
      show: row => <Badge of={row.state} />,
    },
  ];
}

function durationColumn<Row extends Pick<RunLine, 'duration_s'>>(): SortableColumn<Row> {
  return {
    name: 'duration',
    title: 'time',
    sortBy: row => row.duration_s,
    show: row => (row.duration_s === null ? '–' : formatSeconds(row.duration_s)),
    summary: {
      value: rows => summarize(rows.map(row => row.duration_s))?.mean,
      show: rows => {
        const told = summarize(rows.map(row => row.duration_s));
        return told === undefined ? '–' : <span title="mean">{formatSeconds(told.mean)}</span>;
      },
    },
  };
}

function startedColumn<Row extends Pick<RunLine, 'started'>>(): SortableColumn<Row> {
  return {
    name: 'started',
    title: 'started',
    isText: true,
    sortBy: row => row.started,
    show: row => (row.started === null ? '–' : formatTime(row.started)),
  };
}

/** The fields of a sweep that the columns need. */
export type SweepLine = Omit<SweepRow, 'state' | 'states' | 'goal'> & { readonly state: string };

/** The name first; tags and notes if any sweep has them. */
export function sweepColumns<Row extends SweepLine>(
  rows: readonly Row[],
  link: Link,
): readonly SortableColumn<Row>[] {
  return [
    ...firstColumns<Row>(link, { name: 'sweep', id: 'id' }),
    { name: 'trials', title: 'trials', sortBy: row => row.trials, show: row => row.trials },
    { name: 'metric', title: 'objective', isText: true, sortBy: row => row.metric, show: row => row.metric },
    {
      name: 'best',
      title: 'best',
      sortBy: row => row.best?.value,
      show: row => <Value metric={row.metric} value={row.best?.value ?? null} />,
    },
    ...(rows.some(({ tags }) => tags.length > 0) ? [tagsColumn<Row>()] : []),
    durationColumn<Row>(),
    startedColumn<Row>(),
    ...(rows.some(({ note }) => note !== null) ? [noteColumn<Row>()] : []),
  ];
}
