/** The filter of the list, kept in the address, so that it survives a reload and can be shared. */
import type { ListDocument, ListedRun } from '../../server/documents.js';
import { GroupSelect } from '../list/group-select.js';
import { SearchBox } from '../list/search-box.js';
import { type Filter, hashOf } from './route.js';

interface Props {
  readonly list: ListDocument;
  /** The visible ones. */
  readonly runs: readonly ListedRun[];
  readonly filter: Filter;
}

export function ListFilter({ list, runs, filter }: Props) {
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
