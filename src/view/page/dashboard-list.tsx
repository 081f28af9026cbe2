/** The dashboard's list of runs and sweeps. */

import type { ListDocument } from '../document.js';
import { configs, type Filter, hashOf, launcher } from './address.js';
import { RunLists } from './run-lists.js';

export function ListView({ list, filter }: { readonly list: ListDocument; readonly filter: Filter }) {
  const change = (filter: Filter): void => {
    // each letter would otherwise add a history entry
    history.replaceState(null, '', hashOf({ kind: 'list', filter }));
    dispatchEvent(new HashChangeEvent('hashchange'));
  };
  const isEmpty = list.runs.length + list.sweeps.length === 0;
  return (
    <article class="list wide">
      <header>
        <p class="eyebrow">{list.root}</p>
        <h1>{isEmpty ? 'No runs yet' : 'Experiments'}</h1>
      </header>
      {list.deeper !== null && (
        <p class="note">
          Runs deeper than {list.depth} folders are not looked for.{' '}
          <code>{`${launcher} serve ${list.root}/${list.deeper}`}</code> shows some that are there.
        </p>
      )}
      {isEmpty ? <Empty exists={list.exists} /> : <RunLists list={list} filter={filter} change={change} />}
    </article>
  );
}

function Empty({ exists }: { readonly exists: boolean }) {
  return (
    <>
      <p>
        {exists ? 'This directory has no runs and no sweeps.' : 'This directory does not exist yet.'} Start
        one, and it appears here by itself:
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
    </>
  );
}
