/** The list of runs: its search box, groups, choice of columns, and table. */

import { useMemo, useState } from 'preact/hooks';
import type { CommonConfig } from '../document.js';
import { type Link, type SortableColumn, SortableTable, Toggle } from './components.js';
import { type RunColumn, runColumns, type SweepLine } from './run-columns.js';
import {
  differingKeys,
  Fields,
  groupRows,
  matchesSearch,
  parseSearch,
  type RunLine,
  unknownFields,
} from './run-list.js';

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
function asRun({ metric, best, ...facts }: SweepLine): RunLine {
  return {
    ...facts,
    seed: null,
    steps: 0,
    epochs: 0,
    config: {},
    metrics: best === null ? [] : [{ name: metric, value: best.value }],
    gates: null,
    sparkline: null,
  };
}

export function SearchBox({ value, change }: { readonly value: string; change(text: string): void }) {
  return (
    <label class="search">
      Find{' '}
      <input
        type="search"
        value={value}
        placeholder="gru lr=0.01 accuracy>97%"
        onInput={event => change(event.currentTarget.value)}
      />
    </label>
  );
}

/** The invalid terms of the search. */
export function SearchTrouble({ unknown }: { readonly unknown: readonly string[] }) {
  if (unknown.length === 0) return null;
  return (
    <p class="alert" role="alert">
      No run has {unknown.map(name => `“${name}”`).join(' or ')}: a field is a column, a metric or a key of
      the config, or its last word.
    </p>
  );
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

export function SearchHelp() {
  return (
    <details class="search-help">
      <summary>How to search</summary>
      <dl>
        {EXAMPLES.map(([search, meaning]) => (
          <div key={search}>
            <dt>
              <code>{search}</code>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

interface GroupSelectProps {
  readonly rows: readonly RunLine[];
  readonly common: CommonConfig;
  /** Empty for no groups. */
  readonly value: string;
  change(by: string): void;
}

export function GroupSelect({ rows, common, value, change }: GroupSelectProps) {
  const keys = differingKeys(rows, common);
  const known = ['', 'config', 'experiment', 'state', 'tag', ...keys];
  return (
    <label>
      Group by{' '}
      <select value={value} onChange={event => change(event.currentTarget.value)}>
        <option value="">nothing</option>
        <option value="config">config without seeds</option>
        <option value="experiment">experiment</option>
        <option value="state">state</option>
        <option value="tag">tags</option>
        {keys.length > 0 && (
          <optgroup label="Config">
            {keys.map(key => (
              <option key={key} value={key}>
                {key}
              </option>
            ))}
          </optgroup>
        )}
        {!known.includes(value) && <option value={value}>{value}</option>}
      </select>
    </label>
  );
}

/** By column name; a column that is absent is shown if it is a default one. */
export type ColumnChoice = Readonly<Record<string, boolean>>;

export interface ColumnChoices {
  readonly choice: ColumnChoice;
  set(choice: ColumnChoice): void;
}

/**
 * @param key of the browser's storage that keeps the choice; undefined to keep it for the lifetime
 *   of the page, as happens without a storage, such as in a private window
 */
export function useColumnChoice(key: string | undefined): ColumnChoices {
  const [choice, setChoice] = useState<ColumnChoice>(() => stored(key));
  return {
    choice,
    set: changed => {
      setChoice(changed);
      store(key, changed);
    },
  };
}

export function chosenColumns<Row>(
  columns: readonly RunColumn<Row>[],
  choice: ColumnChoice,
): readonly RunColumn<Row>[] {
  return columns.filter(({ name, isDefault }, i) => i === 0 || (choice[name] ?? isDefault));
}

const SECTIONS = ['Run', 'Config', 'Metrics'] as const;

export function ColumnChooser<Row>({
  columns: [, ...columns],
  choices: { choice, set },
}: {
  readonly columns: readonly RunColumn<Row>[];
  readonly choices: ColumnChoices;
}) {
  const [query, setQuery] = useState('');
  const isFound = ({ name, title }: RunColumn<Row>) => `${name} ${title}`.includes(query.trim());
  return (
    <details class="columns">
      <summary>Columns</summary>
      <div class="toolbar">
        <label>
          Find a column{' '}
          <input type="search" value={query} onInput={event => setQuery(event.currentTarget.value)} />
        </label>
        <button type="button" disabled={Object.keys(choice).length === 0} onClick={() => set({})}>
          Reset
        </button>
      </div>
      {SECTIONS.map(section => {
        const offered = columns.filter(column => column.section === section && isFound(column));
        return (
          offered.length > 0 && (
            <fieldset key={section}>
              <legend>{section}</legend>
              {offered.map(({ name, title, isDefault }) => (
                <Toggle
                  key={name}
                  title={name}
                  isOn={choice[name] ?? isDefault}
                  set={isOn => set(changed(choice, name, isOn, isDefault))}
                >
                  {section === 'Config' ? name : title}
                </Toggle>
              ))}
            </fieldset>
          )
        );
      })}
    </details>
  );
}

/** Omits choices that equal the default, so that these continue to follow the runs. */
function changed(choice: ColumnChoice, name: string, isShown: boolean, isDefault: boolean): ColumnChoice {
  const { [name]: _, ...others } = choice;
  return isShown === isDefault ? others : { ...others, [name]: isShown };
}

function stored(key: string | undefined): ColumnChoice {
  if (key === undefined) return {};
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, shown]) => typeof shown === 'boolean'));
  } catch {
    // no storage, or it contains another program's text
    return {};
  }
}

function store(key: string | undefined, choice: ColumnChoice): void {
  if (key === undefined) return;
  try {
    localStorage.setItem(key, JSON.stringify(choice));
  } catch {
    // the choice lasts for the lifetime of the page
  }
}

interface RunTableProps<Row> {
  readonly rows: readonly Row[];
  readonly common: CommonConfig;
  readonly link: Link;
  /** Empty for no groups; see `groupRows`. */
  readonly groupBy: string;
  /** A column that is always shown, after the first. */
  readonly choice?: SortableColumn<Row>;
  /** A column that is shown at the end if it is not empty. */
  readonly message?: SortableColumn<Row>;
  /** See `useColumnChoice`. */
  readonly storageKey?: string;
}

export function RunTable<Row extends RunLine>({
  rows,
  common,
  link,
  groupBy,
  choice,
  message,
  storageKey,
}: RunTableProps<Row>) {
  const choices = useColumnChoice(storageKey);
  const offered = useMemo(() => runColumns(rows, common, link), [rows, common, link]);
  const groups = useMemo(
    () => (groupBy === '' ? undefined : groupRows(rows, groupBy, common)),
    [rows, groupBy, common],
  );
  const hasMessages = message !== undefined && rows.some(row => message.sortBy(row) !== null);
  const [first, ...others] = chosenColumns(offered, choices.choice);
  return (
    <>
      <ColumnChooser columns={offered} choices={choices} />
      <SortableTable
        label="Runs"
        columns={[first, ...(choice ? [choice] : []), ...others, ...(hasMessages ? [message] : [])]}
        rows={rows}
        {...(groups !== undefined && { groups })}
        keyOf={row => row.path}
        most={100}
      />
    </>
  );
}
