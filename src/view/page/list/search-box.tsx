/** The search box, with its syntax. */
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
