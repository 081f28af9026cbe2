/** Lists of runs and sweeps: their columns, search, groups, and the choice for a comparison. */

import { useContext, useMemo, useState } from 'preact/hooks';
import { counted, formatMetric, formatSeconds, formatTime, isFraction, words } from '../../util/numbers.js';
import {
  Badge,
  type Column,
  field,
  Linked,
  Links,
  Section,
  Select,
  Status,
  Table,
  Tags,
  Toggle,
  Value,
} from '../components/components.js';
import { Sparkline } from '../components/plot.js';
import {
  byImportance,
  differingKeys,
  distinct,
  distinguishingKeys,
  type Filter,
  groupRows,
  MAX_COMPARED,
  metricOf,
  numberIn,
  type RunLine,
  type Summary,
  searchFor,
  settingsOf,
  statusOf,
  summarize,
  titleOf,
} from '../components/run-list.js';
import type { IndexReport } from '../report.js';

const MOST = 100;

interface RunListsProps {
  readonly list: Pick<IndexReport, 'common_config' | 'runs' | 'sweeps' | 'unreadable'>;
  readonly filter: Filter;
  change(filter: Filter): void;
}

export function RunLists({ list, filter, change }: RunListsProps) {
  const links = useContext(Links);
  const lines = useMemo(() => linesOf(list), [list]);
  const search = useMemo(() => searchFor(filter.find, lines.all), [lines, filter.find]);
  const isSelected = (row: RunLine) =>
    (filter.state === '' || statusOf(row).includes(filter.state)) &&
    (filter.experiment === '' || row.name === filter.experiment) &&
    search.found.has(row);
  const runs = useMemo(() => lines.runs.filter(isSelected), [search, filter.state, filter.experiment]);
  const sweeps = lines.sweeps.filter(isSelected);
  const running = lines.runs.filter(({ state }) => state === 'running').length;
  return (
    <>
      <ListFilter lines={lines.all} runs={runs} filter={filter} change={change} />
      {search.unknown.length > 0 && (
        <p class="alert" role="alert">
          No run has {search.unknown.map(name => `“${name}”`).join(' or ')}: a field is a column, a metric or
          a key of the config, or its last word.
        </p>
      )}
      <div class="toolbar">
        <p class="note" role="status">
          {counted(runs.length, 'run')}, {counted(sweeps.length, 'sweep')}
          {running > 0 && `, ${running} running`}
        </p>
        <SearchHelp />
      </div>
      {list.unreadable.length > 0 && (
        <Section title="Not readable">
          <ul class="warnings">
            {list.unreadable.map(({ path, message }) => (
              <li key={path}>
                <code>{path}</code> {message}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {sweeps.length > 0 && (
        <Section title="Sweeps">
          <Table
            label="Sweeps"
            columns={sweepColumns(sweeps, links?.sweep)}
            rows={sweeps}
            keyOf={row => row.path}
            most={MOST}
          />
        </Section>
      )}
      <RunTable rows={runs} groupBy={filter.group} />
      {lines.all.length > 0 && runs.length + sweeps.length === 0 && <p>Nothing here fits the filter.</p>}
    </>
  );
}

function linesOf({ runs, sweeps, common_config: common }: RunListsProps['list']) {
  const newestFirst = (rows: readonly RunLine[]) =>
    rows.toSorted((a, b) => (b.started ?? '').localeCompare(a.started ?? '') || b.id.localeCompare(a.id));
  const lines = {
    runs: newestFirst(runs.map(row => ({ ...row, config: row.config && { ...common, ...row.config } }))),
    sweeps: newestFirst(sweeps.map(asLine)),
  };
  return { ...lines, all: [...lines.runs, ...lines.sweeps] };
}

function asLine({ metric, best, ...facts }: IndexReport['sweeps'][number]): RunLine {
  const metrics = best === null ? [] : [{ name: metric, value: best.value }];
  return { ...facts, objective: metric, config: {}, metrics };
}

interface ListFilterProps {
  readonly lines: readonly RunLine[];
  readonly runs: readonly RunLine[];
  readonly filter: Filter;
  change(filter: Filter): void;
}

function ListFilter({ lines, runs, filter, change }: ListFilterProps) {
  const select = (label: string, key: 'state' | 'experiment' | 'group', values: readonly Option[]) => (
    <Select
      label={label}
      value={filter[key]}
      options={withChosen(values, filter[key])}
      change={value => change({ ...filter, [key]: value })}
    />
  );
  const anyOf = (values: readonly string[]): readonly Option[] => [
    ['', 'any'],
    ...distinct(values)
      .toSorted()
      .map((value): Option => [value]),
  ];
  const keys = useMemo(() => differingKeys(runs), [runs]);
  return (
    <search class="toolbar filter">
      <label class="search">
        Find{' '}
        <input
          type="search"
          value={filter.find}
          placeholder="gru lr=0.01 accuracy>97%"
          onInput={event => change({ ...filter, find: event.currentTarget.value })}
        />
      </label>
      {select('State', 'state', anyOf(lines.flatMap(statusOf)))}
      {select('Experiment', 'experiment', anyOf(lines.map(({ name }) => name)))}
      {select('Group by', 'group', [
        ['', 'nothing'],
        ['config', 'config without seeds'],
        ['experiment'],
        ['state'],
        ['tag', 'tags'],
        ...keys.map((key): Option => [key]),
      ])}
    </search>
  );
}

type Option = readonly [value: string, text?: string];

function withChosen(options: readonly Option[], chosen: string): readonly Option[] {
  return options.some(([value]) => value === chosen) ? options : [...options, [chosen]];
}

const EXAMPLES: readonly (readonly [search: string, meaning: string])[] = [
  ['gru baseline', 'both words somewhere in path, state, tags, note or config'],
  ['learning_rate=0.01', 'a value of the config; lr=0.01 means the same'],
  ['status:failed', 'a state; likewise tag:, note:, seed=, experiment:'],
  ['test.accuracy>97% epochs>=2', 'metrics and counts'],
  ['started>2026-01-31', 'a date'],
  ['-cell:lstm kind!=adam', 'not this'],
  ['"two words"', 'with spaces'],
];

function SearchHelp() {
  return (
    <details class="search-help">
      <summary>How to search</summary>
      <ul>
        {EXAMPLES.map(([search, meaning]) => (
          <li key={search}>
            <code>{search}</code> {meaning}
          </li>
        ))}
      </ul>
    </details>
  );
}

interface ChoiceProps {
  readonly chosen: readonly string[];
  setChosen(paths: readonly string[]): void;
}

function Choice({ chosen, setChosen }: ChoiceProps) {
  const links = useContext(Links);
  const isPossible = chosen.length >= 2 && chosen.length <= MAX_COMPARED;
  if (links === undefined) return null;
  return (
    <div class="toolbar">
      <button
        type="button"
        disabled={!isPossible}
        onClick={() => {
          location.hash = links.comparison(chosen);
        }}
      >
        Compare {chosen.length > 0 ? counted(chosen.length, 'run') : ''}
      </button>
      {chosen.length > 0 && (
        <button type="button" onClick={() => setChosen([])}>
          Choose none
        </button>
      )}
      <output>{isPossible ? '' : `choose 2 to ${MAX_COMPARED} runs to compare them`}</output>
    </div>
  );
}

function choiceColumn({ chosen, setChosen }: ChoiceProps): Column<RunLine> {
  const box = (label: string, rows: readonly RunLine[]) => {
    const paths = rows.map(({ path }) => path);
    const others = chosen.filter(path => !paths.includes(path));
    return (
      <input
        type="checkbox"
        aria-label={label}
        checked={paths.every(path => chosen.includes(path))}
        onChange={event => setChosen(event.currentTarget.checked ? [...others, ...paths] : others)}
      />
    );
  };
  return {
    name: 'chosen',
    title: (
      <>
        <span aria-hidden="true">⇄</span>
        <span class="hidden">compare</span>
      </>
    ),
    isText: true,
    sortBy: ({ path }) => Number(!chosen.includes(path)),
    show: row => box(`compare ${row.id}`, [row]),
    summary: rows => ({
      value: null,
      text: box(`compare all ${counted(rows.length, 'run')} of this group`, rows),
    }),
  };
}

function RunTable({ rows, groupBy }: { readonly rows: readonly RunLine[]; readonly groupBy: string }) {
  const links = useContext(Links);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [shown, setShown] = useState(() => storedColumns());
  const offered = useMemo(() => runColumns(rows, links?.run), [rows, links]);
  const groups = useMemo(() => (groupBy === '' ? undefined : groupRows(rows, groupBy)), [rows, groupBy]);
  const [first, ...others] = offered;
  const choice = links ? [choiceColumn({ chosen, setChosen })] : [];
  const isShown = ({ name, isDefault }: RunColumn) => shown[name] ?? isDefault;
  const change = (columns: ShownColumns): void => setShown(storedColumns(columns));
  if (rows.length === 0) return null;
  return (
    <Section title="Runs">
      <Choice chosen={chosen} setChosen={setChosen} />
      <details class="columns">
        <summary>Columns</summary>
        <fieldset>
          <legend>Shown</legend>
          {others.map(column => (
            <Toggle
              key={column.name}
              title={column.name}
              isOn={isShown(column)}
              set={isOn => change({ ...shown, [column.name]: isOn })}
            >
              {column.title}
            </Toggle>
          ))}
        </fieldset>
        <button type="button" disabled={Object.keys(shown).length === 0} onClick={() => change({})}>
          Reset
        </button>
      </details>
      <Table
        label="Runs"
        columns={[first, ...choice, ...others.filter(isShown)]}
        rows={rows}
        groups={groups}
        keyOf={row => row.path}
        most={MOST}
      />
    </Section>
  );
}

/** By column name; a column that is absent is shown if it is a default one. */
type ShownColumns = Readonly<Record<string, boolean>>;

const COLUMNS_KEY = 'cellrun.columns';

/** Those in the browser's storage, or `chosen` in their place, also without a storage. */
function storedColumns(chosen?: ShownColumns): ShownColumns {
  try {
    if (chosen !== undefined) localStorage.setItem(COLUMNS_KEY, JSON.stringify(chosen));
    return JSON.parse(localStorage.getItem(COLUMNS_KEY) ?? '{}');
  } catch {
    return chosen ?? {};
  }
}

interface RunColumn extends Column<RunLine> {
  readonly title: string;
  readonly isDefault: boolean;
}

/** The address of a run or a sweep, if it has one. */
type Link = ((path: string) => string) | undefined;

function idColumn(title: string, link: Link, withName: boolean): Column<RunLine> {
  return field('id', {
    title,
    isText: true,
    sortBy: ({ name, id }) => `${name} ${id}`,
    show: ({ path, name, id }) => (
      <>
        {withName && `${name} `}
        <span class="id">
          <Linked href={link?.(path)}>{id}</Linked>
        </span>
      </>
    ),
  });
}

const STATE = field<RunLine>('state', {
  isText: true,
  sortBy: row => statusOf(row).join(' '),
  show: row => <Status of={row} />,
});
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
  field('started', { isText: true, show: ({ started }) => (started === null ? '–' : formatTime(started)) }),
  field('note', { isText: true, show: ({ note }) => note !== null && <span class="remark">{note}</span> }),
  field('message', { isText: true, show: ({ message }) => message }),
];

function shownSeconds(seconds: number | null | undefined): string {
  return typeof seconds === 'number' ? formatSeconds(seconds) : '–';
}

const MAX_METRICS = 4;
const MAX_SETTINGS = 6;

function runColumns(rows: readonly RunLine[], link: Link): readonly RunColumn[] {
  const fact = (column: Column<RunLine>, isDefault = hasAny(rows, column)): RunColumn => ({
    ...column,
    title: String(column.title ?? column.name),
    isDefault,
  });
  const ifTelling = (name: 'epochs' | 'seed') =>
    fact(field(name), rows.length < 2 || rows.some(row => row[name] !== rows[0][name]));
  return [
    fact(idColumn('run', link, distinct(rows.map(({ name }) => name)).length > 1), true),
    fact(STATE, true),
    ...metricColumns(rows),
    fact(CURVE),
    ...configColumns(rows),
    fact(GATES, false),
    ifTelling('epochs'),
    fact(field('steps'), false),
    ifTelling('seed'),
    ...FACTS.map(column => fact(column)),
  ];
}

/** The metrics that all runs have; if their main metrics differ, that of each run in one column. */
function metricColumns(rows: readonly RunLine[]): readonly RunColumn[] {
  const measured = rows.filter(({ main = null }) => main !== null);
  const tested = measured.filter(({ main }) => main?.startsWith('test.'));
  const telling = tested.length > 0 ? tested : measured;
  const mains = distinct(telling.map(({ main = null }) => main));
  const isShown = (metric: string) =>
    mains.length === 1 && telling.every(row => metricOf(row, metric) !== null);
  const metrics = distinct(rows.flatMap(row => row.metrics.map(({ name }) => name)))
    .toSorted((a, b) => byImportance(a, b, mains[0]))
    .toSorted((a, b) => Number(isShown(b)) - Number(isShown(a)));
  return [
    ...(mains.length > 1 ? [MAIN] : []),
    ...metrics.map((metric, i) =>
      metricColumn(metric, isShown(metric) && (i < MAX_METRICS || metric === 'train.loss')),
    ),
  ];
}

const MAIN: RunColumn = {
  name: 'result',
  title: 'result',
  isText: true,
  isDefault: true,
  sortBy: row => numberOf(row, row.main ?? ''),
  show: row => {
    const { main = null } = row;
    if (main === null) return '–';
    return (
      <>
        <Value metric={main} value={metricOf(row, main)} />{' '}
        <small>{words(main.replace(/^test\./, ''))}</small>
      </>
    );
  },
};

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

function numberOf(row: RunLine, metric: string): number | null {
  const value = metricOf(row, metric);
  return typeof value === 'number' ? value : null;
}

function metricColumn(metric: string, isDefault: boolean): RunColumn {
  const read = (row: RunLine) => numberOf(row, metric);
  return {
    name: metric,
    title: words(metric),
    isDefault,
    sortBy: read,
    show: row => <Value metric={metric} value={metricOf(row, metric)} />,
    summary: rows => {
      const summary = summarize(rows.map(read));
      return { value: summary?.mean, text: summary ? <Mean metric={metric} of={summary} /> : '–' };
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
          ± {isFraction(metric) ? (100 * spread).toFixed(2) : formatMetric('', Number(spread.toPrecision(2)))}
        </small>
      )}
    </span>
  );
}

function sweepColumns(rows: readonly RunLine[], link: Link): readonly Column<RunLine>[] {
  const best = ({ metrics }: RunLine) => metrics[0]?.value;
  return [
    field('name', { title: 'sweep', isText: true }),
    idColumn('id', link, false),
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
