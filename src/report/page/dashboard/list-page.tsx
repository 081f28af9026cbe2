/** All runs and sweeps: found by text, state and experiment, sorted by any column, chosen for a comparison. */
import { useCallback, useState } from 'preact/hooks';
import type { ListDocument, ListedRun, ListedSweep } from '../../server/documents.js';
import { Section } from '../base.js';
import { counted } from '../format.js';
import { applyListChange } from './apply.js';
import { ListFilter } from './list-filter.js';
import { ListedRuns, ListedSweeps } from './list-tables.js';
import { type Filter, hashOf, MOST_COMPARED } from './route.js';
import { useLive } from './use-live.js';
import { Alert, useTitle, Waiting } from './views.js';

export function ListPage({ filter }: { readonly filter: Filter }) {
  const { document: list, trouble } = useLive<ListDocument>('/api/list', applyListChange);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const choose = useCallback(
    (path: string) => setChosen(old => (old.has(path) ? without(old, path) : new Set([...old, path]))),
    [],
  );
  const running = list?.runs.filter(({ state }) => state === 'running').length ?? 0;
  useTitle(running > 0 ? `(${running}) Experiments` : 'Experiments');
  if (list === undefined) return <Waiting title="Experiments" trouble={trouble} />;
  if (list.runs.length + list.sweeps.length === 0) return <Empty list={list} trouble={trouble} />;
  const runs = newestFirst(list.runs.filter(run => matches(run, filter)));
  const sweeps = newestFirst(list.sweeps.filter(sweep => matches(sweep, filter)));
  return (
    <article class="list wide">
      <header>
        <p class="eyebrow">{list.root}</p>
        <h1>Experiments</h1>
      </header>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <ListFilter list={list} filter={filter} />
      <p class="note" role="status">
        {counted(runs.length, 'run')}, {counted(sweeps.length, 'sweep')}
        {running > 0 && `, ${running} running`}
      </p>
      <Deeper list={list} />
      {sweeps.length > 0 && (
        <Section title="Sweeps">
          <ListedSweeps rows={sweeps} />
        </Section>
      )}
      {runs.length > 0 && (
        <Section title="Runs">
          <Choice chosen={[...chosen]} clear={() => setChosen(new Set())} />
          <ListedRuns rows={runs} chosen={chosen} choose={choose} />
        </Section>
      )}
      {runs.length + sweeps.length === 0 && <p>Nothing here fits the filter.</p>}
    </article>
  );
}

function Choice({ chosen, clear }: { readonly chosen: readonly string[]; clear(): void }) {
  const isPossible = chosen.length >= 2 && chosen.length <= MOST_COMPARED;
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
      <output>{isPossible ? '' : `choose 2 to ${MOST_COMPARED} runs to compare them`}</output>
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
        {list.exists ? 'This folder has no runs and no sweeps.' : 'This folder is not there yet.'} Start one,
        and it appears here by itself:
      </p>
      <ul>
        <li>
          <code>./run configs/mnist-lstm.yaml</code> trains once;
        </li>
        <li>
          <code>./run sweep configs/sweeps/mnist-lstm.yaml</code> trains many variants;
        </li>
        <li>
          <code>./run serve DIR</code> shows another folder of experiments.
        </li>
      </ul>
    </article>
  );
}

/** What is not on the page, and how to see it. */
function Deeper({ list: { root, depth, deeper } }: { readonly list: ListDocument }) {
  if (deeper === null) return null;
  return (
    <p class="note">
      Runs deeper than {depth} folders are not looked for. <code>./run serve {`${root}/${deeper}`}</code>{' '}
      shows some that are there.
    </p>
  );
}

function matches(one: ListedRun | ListedSweep, { text, state, experiment }: Filter): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const said = `${one.path} ${one.name} ${one.state}`.toLowerCase();
  return (
    words.every(word => said.includes(word)) &&
    (state === '' || one.state === state) &&
    (experiment === '' || one.name === experiment)
  );
}

function newestFirst<T extends ListedRun | ListedSweep>(rows: readonly T[]): readonly T[] {
  return rows.toSorted(
    (a, b) => (b.started ?? '').localeCompare(a.started ?? '') || b.id.localeCompare(a.id),
  );
}

function without(set: ReadonlySet<string>, path: string): ReadonlySet<string> {
  return new Set([...set].filter(one => one !== path));
}
