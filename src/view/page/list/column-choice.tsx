/** The reader's choice of columns, besides the default ones. */
import { useState } from 'preact/hooks';
import { Toggle } from '../base.js';
import type { RunColumn } from './columns.js';

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
