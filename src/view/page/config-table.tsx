/** The config: the values that differ from the defaults, or all. */
import { useState } from 'preact/hooks';
import type { ConfigValue, RunReport } from '../document.js';
import { Breakable, Scroll, Section, Toggle, useHeading } from './base.js';

export function ConfigTable({
  values,
  changes,
}: {
  readonly values: readonly ConfigValue[];
  readonly changes: RunReport['changes'];
}) {
  const Heading = useHeading(2);
  const [isWhole, setWhole] = useState(false);
  if (values.length === 0) return null;
  const differing = values.filter(({ differs }) => differs);
  const shown = isWhole ? values : differing;
  return (
    <Section title="Config">
      <div class="toolbar">
        <Toggle isOn={isWhole} set={setWhole}>
          also the {values.length - differing.length} values that are the defaults
        </Toggle>
      </div>
      <Scroll label="Config, a table">
        <table class="config">
          <thead>
            <tr>
              <th scope="col">key</th>
              <th scope="col">value</th>
              <th scope="col">default</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ key, value, default: usual, differs, overridden }) => (
              <tr key={key} data-key={key} class={differs ? 'differs' : 'usual'}>
                <th scope="row">
                  <Breakable text={key} />
                </th>
                <td>
                  <code>{value}</code>
                  {overridden && <span class="tag">command line</span>}
                </td>
                <td>{usual === null ? '–' : <code>{usual}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {changes.length > 0 && (
        <>
          <Heading>Changed on the way</Heading>
          <ul>
            {changes.map(({ step, key, from, to }) => (
              <li key={`${step} ${key}`}>
                after step {step}: <code>{key}</code> from <code>{from}</code> to <code>{to}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}
