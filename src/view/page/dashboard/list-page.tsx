/** All runs and sweeps: searched, grouped, sorted by any column, chosen for a comparison. */

import { useCallback, useMemo, useState } from 'preact/hooks';
import type { ListDocument, ListedRun, ListedSweep } from '../../server/documents.js';
import { Section } from '../base.js';
import { counted } from '../format.js';
import { SearchHelp, SearchTrouble } from '../list/search-box.js';
import { useSearch } from '../list/use-search.js';
import { applyListChange } from './apply.js';
import { configs, launcher } from './launcher.js';
import { ListFilter } from './list-filter.js';
import { ListedRuns, ListedSweeps } from './list-tables.js';
import { type Filter, hashOf, MAX_COMPARED } from './route.js';
import { useLive } from './use-live.js';
import { Alert, useTitle, Waiting } from './views.js';

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
