/** The filter of the list: kept in the address, so that it survives a reload and can be passed on. */
import type { ListDocument } from '../../server/documents.js';
import { type Filter, hashOf } from './route.js';

export function ListFilter({ list, filter }: { readonly list: ListDocument; readonly filter: Filter }) {
  const all = [...list.runs, ...list.sweeps];
  const change = (changes: Partial<Filter>): void => {
    // each letter would else be a step of the way back
    history.replaceState(null, '', hashOf({ kind: 'list', filter: { ...filter, ...changes } }));
    dispatchEvent(new HashChangeEvent('hashchange'));
  };
  return (
    <search class="toolbar filter">
      <label>
        Find{' '}
        <input
          type="search"
          value={filter.text}
          placeholder="name, id or state"
          onInput={event => change({ text: event.currentTarget.value })}
        />
      </label>
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
  // what the address asks for is shown even where nothing has it
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
