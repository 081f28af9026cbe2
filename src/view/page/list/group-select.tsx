/** The selection of what to group runs by. */
import type { CommonConfig } from '../../document.js';
import { differingKeys } from './config-keys.js';
import type { RunLine } from './line.js';

interface Props {
  readonly rows: readonly RunLine[];
  readonly common: CommonConfig;
  /** Empty for no groups. */
  readonly value: string;
  change(by: string): void;
}

export function GroupSelect({ rows, common, value, change }: Props) {
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
