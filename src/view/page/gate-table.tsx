/** The gates: the limit, the measured value, and where it is configured. */
import type { GateReport } from '../document.js';
import { Badge, Scroll, Section, Value } from './base.js';

export function GateTable({ gates }: { readonly gates: readonly GateReport[] }) {
  if (gates.length === 0) return null;
  return (
    <Section title="Gates">
      <Scroll label="Gates, a table">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">metric</th>
              <th scope="col">value</th>
              <th scope="col">required</th>
              <th scope="col" class="text">
                verdict
              </th>
              <th scope="col" class="text">
                requested in
              </th>
            </tr>
          </thead>
          <tbody>
            {gates.map((gate, i) => (
              <tr key={`${i} ${gate.name}`} data-gate={i}>
                <th scope="row">{gate.name}</th>
                <td>
                  <Value metric="gate" value={gate.value} />
                </td>
                <td>{gate.required}</td>
                <td class="text">
                  <Badge of={gate.verdict ?? 'not judged yet'} />
                  {gate.reason !== null && <small> {gate.reason}</small>}
                </td>
                <td class="text">
                  <code>{gate.place}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
