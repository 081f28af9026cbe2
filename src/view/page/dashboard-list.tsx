/** The dashboard's list of runs and sweeps: searched, grouped, sorted, chosen for a comparison. */

import { useCallback, useMemo, useState } from 'preact/hooks';
import { counted } from '../../util/numbers.js';
import type { CommonConfig, ListDocument, ListedRun, ListedSweep } from '../document.js';
import { configs, type Filter, hashOf, launcher, MAX_COMPARED } from './address.js';
import { applyListChange } from './changes.js';
import { Section, type SortableColumn, SortableTable } from './components.js';
import { Alert, useLive, useTitle, Waiting } from './live.js';
import { sweepColumns } from './run-columns.js';
import { GroupSelect, RunTable, SearchBox, SearchHelp, SearchTrouble, useSearch } from './run-table.js';

export function ListPage({ filter }: { readonly filter: Filter }) {
  const { document: list, trouble } = useLive<ListDocument>('/api/list', applyListChange);
  const running = list?.runs.filter(({ state }) => state === 'running').length ?? 0;
  useTitle(running > 0 ? `(${running}) Experiments` : 'Experiments');
  if (list === undefined) return <Waiting title="Experiments" trouble={trouble} />;
  if (list.runs.length + list.sweeps.length === 0) return <Empty list={list} trouble={trouble} />;
  return <Found list={list} trouble={trouble} running={running} filter={filter} />;
}

interface FoundProps {
  readonly list: ListDocument;
  readonly trouble: string | undefined;
  readonly running: number;
  readonly filter: Filter;
}

function Found({ list, trouble, running, filter }: FoundProps) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const choose = useCallback(
    (paths: readonly string[], isChosen: boolean) =>
      setChosen(old => {
        const others = [...old].filter(path => !paths.includes(path));
        return new Set(isChosen ? [...others, ...paths] : others);
      }),
    [],
  );
  const found = useSearch(list.runs, list.sweeps, list.common_config, filter.text);
  const runs = useMemo(
    () => newestFirst(found.runs.filter(run => isSelected(run, filter))),
    [found, filter.state, filter.experiment],
  );
  const sweeps = newestFirst(found.sweeps.filter(sweep => isSelected(sweep, filter)));
  return (
    <article class="list wide">
      <header>
        <p class="eyebrow">{list.root}</p>
        <h1>Experiments</h1>
      </header>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <ListFilter list={list} runs={runs} filter={filter} />
      <SearchTrouble unknown={found.unknown} />
      <p class="note" role="status">
        {counted(runs.length, 'run')}, {counted(sweeps.length, 'sweep')}
        {running > 0 && `, ${running} running`}
      </p>
      <SearchHelp />
      <Deeper list={list} />
      {sweeps.length > 0 && (
        <Section title="Sweeps">
          <ListedSweeps rows={sweeps} />
        </Section>
      )}
      {runs.length > 0 && (
        <Section title="Runs">
          <Choice chosen={[...chosen]} clear={() => setChosen(new Set())} />
          <ListedRuns
            rows={runs}
            common={list.common_config}
            groupBy={filter.group}
            chosen={chosen}
            choose={choose}
          />
        </Section>
      )}
      {runs.length + sweeps.length === 0 && <p>Nothing here fits the filter.</p>}
    </article>
  );
}

function Choice({ chosen, clear }: { readonly chosen: readonly string[]; clear(): void }) {
  const isPossible = chosen.length >= 2 && chosen.length <= MAX_COMPARED;
  return (
    <div class="toolbar">
      <button
        type="button"
        disabled={!isPossible}
        onClick={() => {
          location.hash = hashOf({ kind: 'compare', paths: chosen });
        }}
      >
        Compare {chosen.length > 0 ? counted(chosen.length, 'run') : ''}
      </button>
      <button type="button" disabled={chosen.length === 0} onClick={clear}>
        Choose none
      </button>
      <output>{isPossible ? '' : `choose 2 to ${MAX_COMPARED} runs to compare them`}</output>
    </div>
  );
}

function Empty({ list, trouble }: { readonly list: ListDocument; readonly trouble: string | undefined }) {
  return (
    <article>
      <header>
        <p class="eyebrow">{list.root}</p>
        <h1>No runs yet</h1>
      </header>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <Deeper list={list} />
      <p>
        {list.exists ? 'This directory has no runs and no sweeps.' : 'This directory does not exist yet.'}{' '}
        Start one, and it appears here by itself:
      </p>
      <ul>
        <li>
          <code>{`${launcher} ${configs}/mnist-lstm.yaml`}</code> trains once;
        </li>
        <li>
          <code>{`${launcher} sweep ${configs}/sweeps/mnist-lstm.yaml`}</code> trains many variants;
        </li>
        <li>
          <code>{`${launcher} serve DIR`}</code> shows another folder of experiments.
        </li>
      </ul>
    </article>
  );
}

/** What the page omits, and how to see it. */
function Deeper({ list: { root, depth, deeper } }: { readonly list: ListDocument }) {
  if (deeper === null) return null;
  return (
    <p class="note">
      Runs deeper than {depth} folders are not looked for.{' '}
      <code>{`${launcher} serve ${root}/${deeper}`}</code> shows some that are there.
    </p>
  );
}

function isSelected(one: ListedRun | ListedSweep, { state, experiment }: Filter): boolean {
  return (state === '' || one.state === state) && (experiment === '' || one.name === experiment);
}

function newestFirst<T extends ListedRun | ListedSweep>(rows: readonly T[]): readonly T[] {
  return rows.toSorted(
    (a, b) => (b.started ?? '').localeCompare(a.started ?? '') || b.id.localeCompare(a.id),
  );
}

interface ListFilterProps {
  readonly list: ListDocument;
  /** The visible ones. */
  readonly runs: readonly ListedRun[];
  readonly filter: Filter;
}

export function ListFilter({ list, runs, filter }: ListFilterProps) {
  const all = [...list.runs, ...list.sweeps];
  const change = (changes: Partial<Filter>): void => {
    // each letter would otherwise add a history entry
    history.replaceState(null, '', hashOf({ kind: 'list', filter: { ...filter, ...changes } }));
    dispatchEvent(new HashChangeEvent('hashchange'));
  };
  return (
    <search class="toolbar filter">
      <SearchBox value={filter.text} change={text => change({ text })} />
      <Select
        label="State"
        value={filter.state}
        values={distinct(all.map(({ state }) => state))}
        change={state => change({ state })}
      />
      <Select
        label="Experiment"
        value={filter.experiment}
        values={distinct(all.map(({ name }) => name))}
        change={experiment => change({ experiment })}
      />
      <GroupSelect
        rows={runs}
        common={list.common_config}
        value={filter.group}
        change={group => change({ group })}
      />
    </search>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly values: readonly string[];
  change(value: string): void;
}

function Select({ label, value, values, change }: SelectProps) {
  // values from the address are listed even if no run has them
  const offered = value === '' || values.includes(value) ? values : [...values, value];
  return (
    <label>
      {label}{' '}
      <select value={value} onChange={event => change(event.currentTarget.value)}>
        <option value="">any</option>
        {offered.map(one => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

const FIRST_SHOWN = 100;
/** In the browser's storage. */
const COLUMNS_KEY = 'cellrun.columns';

interface ListedRunsProps {
  readonly rows: readonly ListedRun[];
  readonly common: CommonConfig;
  readonly groupBy: string;
  readonly chosen: ReadonlySet<string>;
  choose(paths: readonly string[], isChosen: boolean): void;
}

export function ListedRuns({ rows, common, groupBy, chosen, choose }: ListedRunsProps) {
  const choice: SortableColumn<ListedRun> = {
    name: 'chosen',
    title: 'compare',
    isText: true,
    sortBy: ({ path }) => Number(!chosen.has(path)),
    show: ({ path, id }) => (
      <input
        type="checkbox"
        aria-label={`compare ${id}`}
        checked={chosen.has(path)}
        onChange={event => choose([path], event.currentTarget.checked)}
      />
    ),
    summary: {
      value: () => null,
      show: group => (
        <input
          type="checkbox"
          aria-label={`compare all ${counted(group.length, 'run')} of this group`}
          checked={group.every(({ path }) => chosen.has(path))}
          onChange={event =>
            choose(
              group.map(({ path }) => path),
              event.currentTarget.checked,
            )
          }
        />
      ),
    },
  };
  return (
    <RunTable<ListedRun>
      rows={rows}
      common={common}
      link={linkToRun}
      groupBy={groupBy}
      choice={choice}
      message={MESSAGE}
      storageKey={COLUMNS_KEY}
    />
  );
}

function linkToRun(path: string): string {
  return hashOf({ kind: 'run', path });
}

export function ListedSweeps({ rows }: { readonly rows: readonly ListedSweep[] }) {
  const columns = [
    ...sweepColumns<ListedSweep>(rows, path => hashOf({ kind: 'sweep', path })),
    ...(rows.some(({ message }) => message !== null) ? [MESSAGE] : []),
  ];
  return (
    <SortableTable label="Sweeps" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}

const MESSAGE: SortableColumn<ListedRun | ListedSweep> = {
  name: 'message',
  title: 'message',
  isText: true,
  sortBy: row => row.message,
  show: row => row.message ?? '',
};
